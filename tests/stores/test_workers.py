"""What several workers share, on a real SQLite file and in a real PostgreSQL."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aiops.errors import StoreError
from aiops.model import Incident, Notification
from aiops.stores import Cycle
from aiops.stores._sql_rows import LANES, lane_of
from aiops.stores.workers import (
    LanedOutbox,
    Leases,
    PartitionSnapshots,
    notification_partition,
    shared_key,
    unpublished,
)

INCIDENT = Incident("i1", "open", "cart: slow", "warning", 1000, 1000, 1000, services=("cart",))


def notes(*incidents):
    return [Notification(f"k-{i}", replace(INCIDENT, id=i), "pager", "opened", 1) for i in incidents]


def test_all_workers_have_the_same_key_and_each_use_its_own(store):
    assert shared_key(store, "forms") == shared_key(store, "forms")
    assert len({shared_key(store, "forms"), shared_key(store, "other")}) == 2
    assert len(shared_key(store, "forms")) == 32


def test_a_lease_is_one_workers_until_it_runs_out_or_is_left(store):
    one, two = Leases(store, "one", 1000), Leases(store, "two", 1000)
    lease = one.take("pull", 0)
    assert lease is not None
    assert two.take("pull", 500) is None
    assert one.take("pull", 900) == lease, "renewed, the same"
    assert two.take("pull", 1800) is None
    other = two.take("pull", 1901)
    assert other is not None
    assert other.epoch == lease.epoch + 1
    two.leave(other)
    assert one.take("pull", 1902) is not None


def test_a_lease_left_too_late_is_not_taken_from_the_next_holder(store):
    one, two = Leases(store, "one", 1000), Leases(store, "two", 1000)
    old = one.take("pull", 0)
    assert two.take("pull", 5000) is not None
    one.leave(old)
    assert one.take("pull", 5001) is None


def test_a_holder_that_comes_back_late_has_another_epoch(store):
    leases = Leases(store, "one", 1000)
    first, second = leases.take("pull", 0), leases.take("pull", 5000)
    assert second.epoch == first.epoch + 1


def test_commits_of_a_worker_whose_work_was_taken_over_are_refused(store):
    old = Leases(store, "old", 1000).seize("triage", 0)
    store.lease = old
    store.commit(Cycle(positions={"prom": 1}))
    Leases(store, "new", 1000).seize("triage", 1)
    with pytest.raises(StoreError, match="another worker has taken over triage; nothing was written"):
        store.commit(Cycle([INCIDENT], positions={"prom": 2}))
    assert (store.positions()["prom"], store.incidents()) == (1, [])


def test_a_later_snapshot_is_never_replaced_by_an_earlier_one(store):
    snapshots = PartitionSnapshots(store)
    assert snapshots.snapshot("samples/3") is None
    assert snapshots.keep_newer("samples/3", 10, b"ten")
    assert not snapshots.keep_newer("samples/3", 9, b"nine")
    assert snapshots.snapshot("samples/3") == b"ten"
    assert snapshots.keep_newer("samples/3", 10, b"ten again")
    assert snapshots.keep_newer("samples/3", 11, b"eleven")
    assert (snapshots.snapshot("samples/3"), store.positions()["samples/3"]) == (b"eleven", 11)


def test_every_notification_belongs_to_exactly_one_worker(store):
    names = [f"i{n}" for n in range(20)]
    store.commit(Cycle(notifications=notes(*names)))
    owned = ({0, 2}, {1}, set())
    seen = [[row.notification.incident.id for row in LanedOutbox(store, 3, lambda o=o: o).pending(10)] for o in owned]
    assert sorted(name for names in seen for name in names) == sorted(names)
    assert seen[2] == []
    assert all(notification_partition(i, 3) in {0, 2} for i in seen[0])
    assert all(notification_partition(i, 3) == 1 for i in seen[1])


def test_a_worker_waits_only_for_what_is_its_own(store):
    store.commit(Cycle(notifications=notes("i1")))
    mine = notification_partition("i1", 3)
    outbox, others = (LanedOutbox(store, 3, lambda p=p: p) for p in ({mine}, {0, 1, 2} - {mine}))
    outbox.retry_at("k-i1", 700, "busy")
    assert (outbox.waiting(), others.waiting()) == ({"pager": 700}, {})
    assert outbox.pending(699) == []
    outbox.done("k-i1")
    assert outbox.waiting() == {}


def test_a_receiver_that_is_served_elsewhere_is_left_alone(store):
    store.commit(Cycle(notifications=notes("i1")))
    outbox, others = (LanedOutbox(store, 1, lambda: {0}, wanted) for wanted in ("pager".__eq__, "pager".__ne__))
    assert (list(outbox.waiting()), list(others.waiting())) == (["pager"], [])
    assert (len(outbox.pending(10)), others.pending(10)) == (1, [])


def test_a_dead_letter_of_a_lane_is_everybodys_to_see(store):
    store.commit(Cycle(notifications=notes("i1")))
    LanedOutbox(store, 1, lambda: {0}).dead("k-i1", "gone")
    assert [row.note for row in store.dead_letters()] == ["gone"]


def test_what_waits_is_announced_in_order_and_only_what_waits(store):
    store.commit(Cycle(notifications=notes("i1", "i2", "i3")))
    store.done("k-i2")
    found = unpublished(store, 0)
    assert [note.key for _, note in found] == ["k-i1", "k-i3"]
    assert [note.key for _, note in unpublished(store, found[0][0])] == ["k-i3"]
    assert len(unpublished(store, 0, limit=1)) == 1


def test_lanes_do_not_change_from_version_to_version():
    assert (lane_of("i1"), lane_of("cart"), LANES) == (555, 183, 1024)
