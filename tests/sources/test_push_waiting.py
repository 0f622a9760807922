"""What is taken of samples, and when it is given out again: the kernels against lists."""

import math
from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from aiops.sources import _pushed_waiting as waiting
from aiops.sources._pushed_waiting import Span, Waiting
from aiops.sources.remote_write import STALE_BITS

STALE = float(np.array([STALE_BITS], np.uint64).view(np.float64)[0])
SPAN = Span(oldest_ms=100, closed_ms=200, newest_ms=1000)

rows = st.lists(
    st.tuples(
        st.integers(-3, 4),
        st.integers(0, 1100),
        st.one_of(st.floats(), st.just(STALE), st.sampled_from([math.inf, -math.inf, math.nan])),
    ),
    max_size=40,
)


def reason(number: int, time: int) -> int:
    if number < 0:
        return -number
    if time > SPAN.newest_ms:
        return waiting.FUTURE
    if time <= SPAN.oldest_ms:
        return waiting.TOO_OLD
    return waiting.LATE if time <= SPAN.closed_ms else waiting.TAKEN


@given(st.lists(rows, max_size=5), st.lists(st.integers(0, 1200), max_size=5).map(sorted))
@settings(deadline=None, max_examples=150)
def test_samples_are_taken_counted_and_given_out_as_a_list_would_do_it(bodies, ticks) -> None:
    heap, seen, ended = Waiting(), np.zeros(5, np.int64), np.zeros(5, np.int64)
    twin: list[tuple[int, int, float]] = []
    last_seen, last_end = [0] * 5, [0] * 5
    for body in bodies:
        numbers = np.array([row[0] for row in body], np.int32)
        times = np.array([row[1] for row in body], np.int64)
        values = np.array([row[2] for row in body], np.float64)
        is_stale = (values.view(np.uint64) == STALE_BITS).tolist()
        told = heap.add(numbers, times, values, SPAN, seen, ended)
        wanted = Counter(reason(number, time) for number, time, _ in body)
        assert {why: told[why] for why in wanted} == wanted
        for (number, time, value), stale in zip(body, is_stale, strict=True):
            if reason(number, time) == waiting.TAKEN:
                twin.append((number, time, value if math.isfinite(value) else math.nan))
                at = last_end if stale else last_seen
                at[number] = max(at[number], time)
        assert (seen.tolist(), ended.tolist()) == (last_seen, last_end)
    for tick in ticks:
        due = [row for row in twin if row[1] <= tick]
        twin = [row for row in twin if row[1] > tick]
        numbers, times, values = heap.take(tick)
        assert numbers.tolist() == [row[0] for row in due]
        assert times.tolist() == [row[1] for row in due]
        assert np.array_equal(values, np.array([row[2] for row in due], np.float64), equal_nan=True)
        assert (len(heap), heap.oldest_ms) == (len(twin), min((row[1] for row in twin), default=None))


def test_room_that_is_needed_no_more_is_given_back() -> None:
    heap, seen = Waiting(), np.zeros(1, np.int64)
    many = 3_000_000
    times = np.full(many, 500, np.int64)
    heap.add(np.zeros(many, np.int32), times, np.ones(many), SPAN, seen, seen.copy())
    assert len(heap.take(500)[0]) == many
    assert len(heap._times) < many // 2
    heap.add(np.zeros(5, np.int32), times[:5], np.ones(5), SPAN, seen, seen.copy())
    assert heap.take(500)[2].tolist() == [1.0] * 5
