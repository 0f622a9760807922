"""What a cluster is blind to, from what its workers say of themselves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aiops.kafka.frames import pack, unpack
from aiops.kafka.status import TOLD_ON_MS, Cluster, Fault, PartitionStatus, PullStatus, SourceStatus, Status

BEGAN_MS = 1_700_000_000_000
PUSH = SourceStatus("push", 30.0, BEGAN_MS, 10, 0, "limits.max_series = 10", blind=False, lost=())


def detector(*numbers, behind_s=1.0, source=PUSH, **more):
    return Status("d1", ("detect",), tuple(PartitionStatus(n, behind_s, (source,)) for n in numbers), **more)


GATEWAY = Status("g1", ("gateway",))
DELIVERER = Status("n1", ("deliver",), delivers=(0, 1))


def cluster(*statuses, at_s=0.0):
    """A cluster of two partitions that has heard these; a worker is dead after 40 s without a word."""
    one = Cluster(2, 10.0, BEGAN_MS)
    for status in statuses:
        one.heard(status, BEGAN_MS + round(at_s * 1000))
    return one


def faults(one, at_s, known=()):
    return {part: fault.reason for part, fault in one.faults(BEGAN_MS + round(at_s * 1000), known).items()}


def test_a_cluster_in_which_all_is_done_has_no_faults():
    assert faults(cluster(GATEWAY, detector(0, 1), DELIVERER), 5) == {}


def test_at_the_beginning_everybody_is_given_time_to_speak():
    one = cluster()
    assert (faults(one, 39), one.is_judged(BEGAN_MS + 39_000)) == ({}, False)
    assert faults(one, 41) == {"kafka": "nothing has come from Kafka for 41 s: nothing is detected"}
    assert one.is_judged(BEGAN_MS + 40_000)


def test_a_partition_without_an_owner_is_named_with_since_when():
    one = cluster(GATEWAY, detector(0, 1), DELIVERER)
    for at_s in range(10, 91, 10):
        for status in (GATEWAY, detector(0), DELIVERER):
            one.heard(status, BEGAN_MS + at_s * 1000)
    found = one.faults(BEGAN_MS + 90_000)
    reason = "no worker has partition 1 for 1 min 30 s: what is in there is not watched"
    assert found["role detect"] == Fault(reason, BEGAN_MS)
    assert set(found) - {"push"} == {"role detect"}


def test_roles_that_nobody_has_are_faults():
    one = cluster(detector(0, 1, source=replace(PUSH, heard_ms=BEGAN_MS + 50_000)), at_s=50)
    assert faults(one, 55) == {
        "role gateway": "no worker with this role for 55 s: nothing is taken in",
        "role deliver": "no worker has 2 partitions (0, 1) for 55 s: what is in there is not told",
    }


def test_a_source_is_silent_only_when_no_partition_hears_it():
    hears, silent = replace(PUSH, heard_ms=BEGAN_MS + 190_000), PUSH
    parts = (PartitionStatus(0, 1.0, (silent,)), PartitionStatus(1, 1.0, (hears,)))
    one = cluster(GATEWAY, DELIVERER, Status("d1", ("detect",), parts), at_s=190)
    assert faults(one, 200) == {}
    one.heard(detector(0, 1), BEGAN_MS + 200_000)
    for status in (GATEWAY, DELIVERER):
        one.heard(status, BEGAN_MS + 200_000)
    assert one.faults(BEGAN_MS + 200_000) == {"push": Fault("no samples for 3 min 20 s", BEGAN_MS)}


def test_a_source_that_never_gave_anything_is_not_missed():
    one = cluster(GATEWAY, DELIVERER, detector(0, 1, source=replace(PUSH, heard_ms=0)))
    assert faults(one, 30) == {}


def test_a_cluster_behind_its_samples_says_by_how_much_unless_there_is_no_gateway():
    one = cluster(GATEWAY, DELIVERER, detector(0, behind_s=75.0), detector(1))
    assert one.faults(BEGAN_MS + 5000)["lag"] == Fault("partition 0 is up to 1 min 15 s behind", BEGAN_MS - 70_000)
    assert "lag" not in faults(cluster(DELIVERER, detector(0, 1, behind_s=75.0), at_s=45), 50)


@pytest.mark.parametrize(("blind", "series", "said"), [((True, False), (10, 9), True), ((True, False), (9, 10), False)])
def test_blind_is_a_source_of_which_most_series_are_missing(blind, series, said):
    parts = [
        PartitionStatus(n, 1.0, (replace(PUSH, blind=b, series=s),))
        for n, (b, s) in enumerate(zip(blind, series, strict=True))
    ]
    one = cluster(GATEWAY, DELIVERER, Status("d1", ("detect",), tuple(parts)))
    assert ("push" in faults(one, 5)) == said


def test_full_tables_and_services_that_have_stopped_are_warnings():
    ill = replace(PUSH, refused=3, lost=(("cart", BEGAN_MS - 90_000), ("db", BEGAN_MS)))
    one = cluster(GATEWAY, DELIVERER, detector(0, source=ill), detector(1))
    found = one.faults(BEGAN_MS + 5000, {"db"})
    assert found == {
        "series of push": Fault(
            "limits.max_series = 10 is reached in 1 of 2 partitions: new series were refused 3 times",
            BEGAN_MS + 5000,
            is_warning=True,
        ),
        "samples of cart": Fault("none, although push gives others", BEGAN_MS - 90_000, is_warning=True),
    }


def test_what_a_worker_says_is_wrong_with_it_is_told_until_it_is_dead():
    ill = replace(GATEWAY, ill=(("kafka", "away", BEGAN_MS - 5, False),))
    one = cluster(ill, DELIVERER, detector(0, 1))
    assert one.faults(BEGAN_MS + 5000) == {"kafka of g1": Fault("away", BEGAN_MS - 5)}
    for status in (replace(GATEWAY, worker="g2"), DELIVERER, detector(0, 1)):
        one.heard(status, BEGAN_MS + 45_000)
    assert "kafka of g1" not in faults(one, 46)


REFUSES = PullStatus("prom", (("prom", "refuses us: 401", BEGAN_MS - 5, False),))


def test_what_is_wrong_with_a_source_is_told_on_until_another_worker_knows_how_it_is():
    one = cluster(replace(GATEWAY, pulls=(REFUSES,)), DELIVERER, detector(0, 1))
    told = {"prom": Fault("refuses us: 401", BEGAN_MS - 5)}
    assert one.faults(BEGAN_MS + 5000) == told
    # The worker is dead, and the next one does not know yet.
    for status in (other := replace(GATEWAY, worker="g2"), DELIVERER, detector(0, 1)):
        one.heard(status, BEGAN_MS + 45_000)
    assert one.faults(BEGAN_MS + 46_000).items() >= told.items()
    one.heard(replace(other, pulls=(PullStatus("prom"),)), BEGAN_MS + 55_000)
    assert "prom" not in faults(one, 56)


def test_a_source_that_nobody_reads_any_more_is_not_told_of_for_ever():
    one = cluster(replace(GATEWAY, pulls=(REFUSES,)))
    later_ms = BEGAN_MS + TOLD_ON_MS
    one.heard(GATEWAY, later_ms)
    assert "prom" in one.faults(later_ms - 1)
    assert "prom" not in one.faults(later_ms)


def test_a_status_is_the_same_after_its_way_through_a_topic():
    said = detector(0, 1, ill=(("kafka", "away", 5, True),), delivers=(3,), pulls=(REFUSES,))
    assert unpack(pack(said)) == said
