"""OTLP requests whose samples are waited for: several under way, taken or refused in any order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aiops.sources._pushed_samples import WriteLimits, labels_of
from aiops.sources.otlp import OtlpReader, Read
from tests.sources._otlp_world import DELTA, PROTOBUF, T_NS, S, histogram, request, total


def reader(max_names_bytes=2**20) -> OtlpReader:
    return OtlpReader(lambda _: None, WriteLimits(), max_names_bytes)


def delta(number: int, value: int = 1, **attributes: object) -> bytes:
    """The delta of second `number`."""
    one = total(value, T_NS + number * S, T_NS + (number - 1) * S, temporality=DELTA, **attributes)
    return request(one).SerializeToString()


def values(read: Read, name: str = "hits_total") -> list[float]:
    keys = [dict(labels_of(read.samples.keys[i], WriteLimits()))["__name__"] for i in read.samples.series.tolist()]
    return [v for key, v in zip(keys, read.samples.values.tolist(), strict=True) if key == name]


def test_a_delta_that_was_refused_counts_once_when_it_comes_again():
    one = reader()
    one.read(delta(1, 5), PROTOBUF).taken()
    first = one.read(delta(2, 7), PROTOBUF)
    assert values(first) == [12]
    first.refused()
    again = one.read(delta(2, 7), PROTOBUF)
    assert values(again) == [12], "the very sample that was not taken"
    again.taken()
    assert values(one.read(delta(3, 1), PROTOBUF)) == [13]


def test_what_a_later_request_holds_already_is_not_added_again():
    one = reader()
    first, second = one.read(delta(1, 5), PROTOBUF), one.read(delta(2, 7), PROTOBUF)
    second.taken()
    first.refused()
    assert values(one.read(delta(1, 5), PROTOBUF)) == [], "it is in the total of the second"
    assert values(one.read(delta(3, 1), PROTOBUF)) == [13]


def test_two_that_fail_together_leave_nothing_in_whatever_order_they_end():
    for order in ((0, 1), (1, 0)):
        one = reader()
        both = [one.read(delta(1, 5), PROTOBUF, 0), one.read(delta(2, 7), PROTOBUF, 0)]
        assert values(both[0]) == [0, 5], "a new series begins at zero"
        for i in order:
            both[i].refused()
        assert values(one.read(delta(1, 5), PROTOBUF, 0)) == [0, 5]
        assert values(one.read(delta(2, 7), PROTOBUF, 0)) == [12]


def test_series_that_nobody_else_touched_go_back_although_others_stay():
    one = reader()
    first = one.read(
        request(
            total(5, T_NS, T_NS - S, temporality=DELTA, path="a"),
            total(6, T_NS, T_NS - S, temporality=DELTA, path="b"),
            histogram([1, 2], [1.0], temporality=DELTA),
        ).SerializeToString(),
        PROTOBUF,
    )
    one.read(delta(1, 1, path="b"), PROTOBUF).taken()
    first.refused()
    again = one.read(
        request(total(5, T_NS, T_NS - S, temporality=DELTA, path="a")).SerializeToString(),
        PROTOBUF,
    )
    assert values(again) == [5]
    assert values(one.read(delta(2, 1, path="b"), PROTOBUF)) == [8]
    buckets = one.read(request(histogram([1, 2], [1.0], temporality=DELTA)).SerializeToString(), PROTOBUF)
    assert values(buckets, "lat_seconds_bucket") == [1, 3]


def test_a_request_refused_after_all_names_were_forgotten_touches_nobody():
    one = reader(max_names_bytes=1000)
    first = one.read(delta(1, 5), PROTOBUF)
    second = one.read(delta(2, 7), PROTOBUF)
    first.refused()
    second.taken()
    assert values(second) == [7]


def test_a_refused_delta_that_a_later_one_has_overtaken_is_taken_for_a_repetition():
    """Its total must not grow at a time that was told already; the count says that it was left out."""
    one = reader()
    one.read(delta(1, 5), PROTOBUF).refused()
    one.read(delta(2, 7), PROTOBUF).taken()
    again = one.read(delta(1, 5), PROTOBUF)
    assert (values(again), again.samples.skipped["repeated_deltas"]) == ([], 1)


@given(
    st.lists(st.lists(st.tuples(st.integers(1, 100), st.booleans()), min_size=1, max_size=5), min_size=1, max_size=4),
    st.randoms(use_true_random=False),
)
def test_whatever_fails_and_comes_again_every_delta_counts_once(rounds, rng):
    """In each round some requests are under way at once, end in any order, and those refused come again."""
    one, number, sent = reader(), 0, 0
    for plan in rounds:
        waiting = [(number + i, value, fails) for i, (value, fails) in enumerate(plan)]
        number += len(plan)
        sent += sum(value for value, _ in plan)
        under_way = [(*each, one.read(delta(*each[:2]), PROTOBUF)) for each in waiting]
        rng.shuffle(under_way)
        for *_, fails, read in under_way:
            read.refused() if fails else read.taken()
        for at, value, fails in waiting:
            if fails:
                one.read(delta(at, value), PROTOBUF).taken()
    assert values(one.read(delta(number, 1), PROTOBUF)) == [sent + 1]
