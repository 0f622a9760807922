"""What every store must do, on a real SQLite file and in a real PostgreSQL."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from aiops.errors import Overloaded, StoreError
from aiops.model import Event, Incident, Notification, Suppressed, Verdict
from aiops.stores import Cycle, Outgoing
from aiops.stores import sql as module

INCIDENT = Incident("i1", "open", "cart: slow", "warning", 1000, 1000, 1000, services=("cart", "db"))


def note(key, *, receiver="pager", incident=INCIDENT, created_ms=1000):
    return Notification(key, incident, receiver, "opened", created_ms)


def event(name, status="firing", time_ms=5, service="cart"):
    return Event(name, time_ms, service, "alert", status=status)


def full_cycle(number=1):
    incident = replace(INCIDENT, id=f"i{number}", started_ms=number)
    return Cycle(
        [incident],
        [note(f"k{number}", incident=incident)],
        {"prom": number},
        {"triage": b"t%d" % number},
        [],
        {"prom": b"s%d" % number},
        {f"i{number}": b"c%d" % number},
    )


def test_a_cycle_is_all_there_after_the_store_was_opened_again(store, opened):
    store.commit(full_cycle(7))
    store.close()
    again = opened()
    assert again.incident("i7") == full_cycle(7).incidents[0]
    assert (again.positions(), again.state("triage"), again.snapshot("prom"), again.case("i7")) == (
        {"prom": 7},
        b"t7",
        b"s7",
        b"c7",
    )
    assert again.pending(0) == [Outgoing(full_cycle(7).notifications[0])]
    again.close()


def test_what_nobody_saved_is_not_there(store):
    assert (store.incident("x"), store.case("x"), store.snapshot("x"), store.state("x")) == (None, None, None, None)
    assert (store.positions(), store.inbox(), store.incidents(), store.pending(0)) == ({}, [], [], [])


def test_a_cycle_that_fails_half_way_leaves_nothing(store):
    bad = replace(full_cycle(), cases={"i1": object()})
    with pytest.raises(StoreError):
        store.commit(bad)
    assert store.counts() | {"bytes": 0} == {
        "incidents": 0,
        "active": 0,
        "inbox": 0,
        "outbox": 0,
        "dead": 0,
        "bytes": 0,
    }
    store.commit(full_cycle())
    assert store.counts()["incidents"] == 1


def test_saving_a_cycle_twice_is_saving_it_once(store):
    store.commit(full_cycle())
    store.done("k1")
    store.commit(full_cycle())
    assert store.counts()["outbox"] == 0, "a notification that was sent does not come back"


def test_an_event_waits_once_whoever_tells_it(store):
    assert store.put_events([event("a"), event("b"), event("a")]) == 2
    assert store.put_events([event("a"), event("a", "resolved")]) == 1
    rows = store.inbox()
    assert [(r.event.id, r.event.status) for r in rows] == [("a", "firing"), ("b", "firing"), ("a", "resolved")]
    assert store.inbox(limit=1) == rows[:1]


def test_a_later_word_under_the_same_name_goes_to_the_end_of_the_line(store):
    store.put_events([event("a", time_ms=5), event("a", "resolved", time_ms=6)])
    assert store.put_events([event("a", time_ms=9), event("a", "resolved", time_ms=6)]) == 0
    assert [(r.event.status, r.event.time_ms) for r in store.inbox()] == [("resolved", 6), ("firing", 9)]


def test_consumed_events_are_gone_and_may_be_told_again(store):
    store.put_events([event("a"), event("b")])
    (first, second) = store.inbox()
    store.put_events([event("c")])
    store.commit(Cycle(consumed=[first.number, second.number]))
    assert [r.event.id for r in store.inbox()] == ["c"]
    assert store.put_events([event("a")]) == 1
    assert store.inbox()[-1].number > second.number


def test_a_full_inbox_sends_the_sender_away_and_keeps_nothing_of_it(store, monkeypatch):
    monkeypatch.setattr(module, "MAX_INBOX", 2)
    with pytest.raises(Overloaded, match="0 events wait"):
        store.put_events([event("a"), event("b"), event("c")])
    assert store.inbox() == []
    assert store.put_events([event("a"), event("b")]) == 2


def test_incidents_are_found_by_status_service_and_time(store):
    made = [replace(INCIDENT, id=f"i{n}", started_ms=n * 10) for n in range(5)]
    made[1] = replace(made[1], status="resolved", services=("cartoon",))
    store.commit(Cycle(made))

    def ids(**wanted):
        return [i.id for i in store.incidents(**wanted)]

    assert ids() == ["i4", "i3", "i2", "i1", "i0"]
    assert ids(limit=2) == ["i4", "i3"]
    assert ids(status="resolved") == ids(service="cartoon") == ["i1"]
    assert ids(service="cart", since_ms=20, before_ms=40) == ["i3", "i2"]
    assert ids(service="%") == []


def test_receipts_of_no_incident_are_found_by_how_their_names_begin(store):
    store.keep_receipts("slack", "", {"audit:1": "a", "audit:3": "c", "audit_2": "no", "thread": "t"})
    store.keep_receipts("silences", "", {"audit:2": "b"})
    store.keep_receipts("slack", "i1", {"audit:4": "of an incident"})
    found = [("slack", "audit:3", "c"), ("silences", "audit:2", "b"), ("slack", "audit:1", "a")]
    assert store.shared_receipts("audit:") == found
    assert store.shared_receipts("audit:", limit=1) == found[:1]
    assert store.shared_receipts("audit_") == [("slack", "audit_2", "no")]


def test_each_receiver_hears_of_one_incident_in_order(store):
    other = replace(INCIDENT, id="i2")
    notes = [note("a1"), note("a2"), note("b1", incident=other), note("c1", receiver="chat"), note("a3")]
    store.commit(Cycle(notifications=notes))

    def keys(now_ms=0, **wanted):
        return [row.notification.key for row in store.pending(now_ms, **wanted)]

    assert keys() == ["a1", "b1", "c1"]
    assert keys(receiver="chat") == ["c1"]
    assert keys(limit=1) == ["a1"]
    store.retry_at("a1", 5000, "busy")
    assert keys(4999) == ["b1", "c1"], "what follows does not overtake"
    assert store.waiting() == {"pager": 0, "chat": 0}
    store.done("b1")
    assert store.waiting() == {"pager": 5000, "chat": 0}
    assert store.pending(5000)[0] == Outgoing(notes[0], 1, 5000, "busy")
    store.retry_at("a1", 5000, "asks to wait", failed=False)
    assert store.pending(5000)[0] == Outgoing(notes[0], 1, 5000, "asks to wait")
    store.dead("a1", "gone")
    assert keys(0) == ["a2", "c1"]
    assert store.dead_letters() == [Outgoing(notes[0], 2, 5000, "gone", state="dead")]
    assert store.give_way("a2")
    assert (keys(0), store.outgoing("i1")[1].state) == (["c1", "a3"], "done")
    assert not store.give_way("a3"), "nothing waits behind it, c1 is for another receiver"
    assert keys(0) == ["c1", "a3"]


def test_a_retry_set_by_a_wrong_clock_is_due_now(store):
    store.commit(Cycle(notifications=[note("a")]))
    store.retry_at("a", 10**15, "clock was in the future")
    assert [row.notification.key for row in store.pending(1000)] == ["a"]


def test_prune_forgets_what_is_over_and_nothing_else(store):
    over = replace(INCIDENT, id="old", status="resolved", resolved_ms=10)
    fresh = replace(INCIDENT, id="new", status="resolved", resolved_ms=99)
    notes = [
        note("done", created_ms=5),
        note("waits", created_ms=5),
        note("late", created_ms=99),
        note("dead", created_ms=5),
    ]
    store.commit(Cycle([over, fresh, INCIDENT], notes, cases={f"gone{n}": b"x" for n in range(5)} | {"new": b"y"}))
    for key in ("done", "late"):
        store.done(key)
    store.dead("dead", "no")
    store.commit(Cycle(cases={f"forming{n}": b"x" for n in range(1000)}))
    assert store.prune(50) == {
        "incidents": 1,
        "notifications": 2,
        "cases": 5,
        "receipts": 0,
        "verdicts": 0,
        "suppressed": 0,
    }
    assert {i.id for i in store.incidents()} == {"new", "i1"}
    assert (store.case("new"), store.case("forming0"), store.case("gone0")) == (b"y", b"x", None)
    assert [row.notification.key for row in store.pending(0)] == ["waits"]


def test_counts_say_what_is_there(store):
    store.commit(Cycle([INCIDENT, replace(INCIDENT, id="r", status="resolved")], [note("a"), note("b"), note("c")]))
    store.put_events([event("e")])
    store.done("a")
    store.dead("b", "no")
    counts = store.counts()
    assert counts.pop("bytes") > 0
    assert counts == {"incidents": 2, "active": 1, "inbox": 1, "outbox": 1, "dead": 1}


def test_all_threads_may_write_and_read_at_once(store):
    faults = []

    def work(number):
        try:
            for step in range(10):
                store.commit(full_cycle(number * 100 + step))
                store.put_events([event(f"e{number}-{step}")])
                store.incidents()
        except Exception as error:  # noqa: BLE001  # a thread must hand its fault over
            faults.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert (store.counts()["incidents"], store.counts()["inbox"]) == (40, 40)


def test_a_dead_letter_that_is_put_back_is_new_again_and_nothing_else_is_touched(store):
    store.commit(Cycle(notifications=[note("a"), note("b"), note("c", incident=replace(INCIDENT, id="i2"))]))
    store.retry_at("a", 5, "busy")
    store.dead("a", "refused")
    store.done("b")
    assert store.put_back(["a", "b", "nope"], 77) == 1
    (row,) = [r for r in store.pending(0) if r.notification.key == "a"]
    assert (row.attempts, row.next_ms, row.since_ms) == (0, 0, 77)
    assert store.dead_letters() == []
    assert [(r.notification.key, r.state) for r in store.outgoing("i1")] == [("a", "pending"), ("b", "done")]


def test_what_is_suppressed_again_for_the_same_reason_is_counted_up(store):
    one = Suppressed("a1", "alert Slow", "cart", "repeated", 10, 10)
    store.commit(Cycle(suppressed=[one, replace(one, reason="listed", incident_id="i1")]))
    store.commit(Cycle(suppressed=[replace(one, first_ms=30, last_ms=30, count=2)]))
    assert store.suppressed() == [
        replace(one, last_ms=30, count=3),
        replace(one, reason="listed", incident_id="i1"),
    ]
    assert [s.reason for s in store.suppressed(since_ms=20)] == ["repeated"]
    assert [s.reason for s in store.suppressed(incident_id="i1")] == ["listed"]
    assert len(store.suppressed(limit=1)) == 1
    assert store.prune(20)["suppressed"] == 1


def test_a_verdict_takes_the_place_of_the_one_with_its_id(store):
    one = Verdict("v1", "i1", "noise", "ann", "api", 10, 100)
    other = replace(one, id="v2", at_ms=20)
    for verdict in (one, other, replace(one, undone_ms=30, undone_by="bob")):
        store.put_verdict(verdict)
    assert store.verdicts() == [other, replace(one, undone_ms=30, undone_by="bob")]
    assert store.verdicts(since_ms=15) == [other]
    assert store.verdicts(limit=1) == [other]
    assert store.prune(101)["verdicts"] == 2
