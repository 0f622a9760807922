"""The source of everything pushed: which ticks close when, what is taken in, what is told."""

import asyncio
import logging

import pytest

from aiops.errors import Overloaded, TooLarge
from tests.sources._push_wall import T0, ScriptEnded, Wall, read, samples, series, source_at, ticks, values

MINUTE = 60_000
CART = series("level", job="cart")
DB = series("level", job="db")


def test_a_tick_closes_when_a_sample_past_its_lateness_is_heard() -> None:
    wall = Wall(T0)
    source = source_at(wall)
    wall.script = [
        lambda: source.offer(samples((CART, T0, 1.0), (CART, T0 + MINUTE - 1, 2.0))),
        lambda: wall.move(600),
        lambda: source.offer(samples((CART, T0 + MINUTE, 3.0))),
    ]
    assert values(source, read(source)) == {("cart|level", 0): 1.0}
    wall.script = [lambda: source.offer(samples((CART, T0 + 2 * MINUTE, 4.0)))]
    assert values(source, read(source)) == {("cart|level", 1): 3.0}


def test_a_sender_whose_clock_is_ahead_closes_nothing_before_its_time() -> None:
    wall = Wall(T0 + 1000)
    source = source_at(wall)
    wall.script = [lambda: source.offer(samples((CART, T0, 1.0), (DB, T0 + 9 * MINUTE, 5.0)))]
    assert read(source) == []
    wall.script = [lambda: wall.move(60), lambda: source.offer(samples((CART, T0 + MINUTE, 2.0)))]
    assert values(source, read(source)) == {("cart|level", 0): 1.0}


def test_our_clock_closes_ticks_when_nothing_is_heard() -> None:
    wall = Wall(T0 + 1000)
    source = source_at(wall, idle_s=30.0)
    wall.script = [lambda: source.offer(samples((CART, T0, 1.0))), None, None, None, None]
    found = read(source)
    assert ticks(found) == [0, 1, 2]
    assert wall.now_s == (T0 + 3 * MINUTE) / 1000
    assert [batch.position for batch in found] == [T0, T0 + MINUTE, T0 + 2 * MINUTE]


def test_a_body_that_closes_no_tick_wakes_nobody_and_is_no_silence() -> None:
    wall = Wall(T0 + 90_000)
    source = source_at(wall, idle_s=30.0)
    woken = []

    async def wait(event: asyncio.Event, timeout_s: float) -> bool:
        heard = await Wall.wait(wall, event, timeout_s)
        woken.append((heard, wall.now_s - T0 / 1000))
        return heard

    source._wait = wait
    wall.script = [
        lambda: source.offer(samples((CART, T0 + 30_000, 1.0))),  # the first one
        lambda: (wall.move(29), source.offer(samples((CART, T0 + 40_000, 2.0)))),
        None,
    ]
    assert ticks(read(source)) == [1]
    assert woken == [(True, 90), (False, 119), (False, 149)]


def test_nothing_closes_by_our_clock_before_the_first_sample() -> None:
    wall = Wall(T0, [None] * 5)
    source = source_at(wall)
    assert read(source, after=T0 - 10 * MINUTE) == []
    wall.script = [lambda: source.offer(samples((CART, T0 - 9 * MINUTE, 1.0))), None, None]
    assert values(source, read(source))["cart|level", -9] == 1.0


def test_a_loop_that_stood_still_is_no_silent_sender() -> None:
    wall = Wall(T0 + 1000)
    source = source_at(wall, idle_s=30.0)
    wall.script = [
        lambda: source.offer(samples((CART, T0 - 9 * MINUTE, 1.0))),
        lambda: wall.move(3600),
        lambda: source.offer(samples((CART, T0 - 8 * MINUTE, 2.0), (CART, T0 - 7 * MINUTE, 3.0))),
        None,
    ]
    assert values(source, read(source)) == {("cart|level", -9): 1.0, ("cart|level", -8): 2.0}
    assert source.health.dropped["late"] == 0


def test_time_spent_on_a_slow_consumer_is_not_silence() -> None:
    wall = Wall(T0 + 1000)
    source = source_at(wall, idle_s=30.0)

    async def slow() -> list[int]:
        positions = []
        wall.script = [
            lambda: source.offer(samples((CART, T0 - 30 * MINUTE, 1.0), (CART, T0 - 29 * MINUTE, 1.0))),
            None,
        ]
        try:
            async for batch in source.read(None):
                positions.append((batch.position - T0) // MINUTE)
                wall.move(600)
                wall.script = [lambda: source.offer(samples((CART, T0 - 28 * MINUTE, 1.0))), None]
                if len(positions) == 2:
                    wall.script = []
        except ScriptEnded:
            return positions
        return positions

    assert asyncio.run(slow()) == [-30, -29]


def test_a_consumer_that_blocks_while_nothing_is_heard_makes_nobody_late() -> None:
    wall = Wall(T0 + 1000)
    source = source_at(wall, idle_s=30.0)
    source.offer(samples((CART, T0, 1.0)))

    async def blocking() -> list[int]:
        positions = []
        wall.script = [None, None, None]
        try:
            async for batch in source.read(None):
                positions.append((batch.position - T0) // MINUTE)
                wall.move(600)
                wall.script = [lambda: source.offer(samples((CART, T0 + MINUTE, 2.0)))] if len(positions) == 1 else []
        except ScriptEnded:
            return positions
        return positions

    assert asyncio.run(blocking()) == [0]
    assert (source.health.dropped["late"], source.health.pending) == (0, 1)


def test_a_back_fill_at_full_speed_closes_many_ticks_at_once() -> None:
    wall = Wall(T0)
    source = source_at(wall)
    start = T0 - 3000 * MINUTE
    bodies = [samples(*[(CART, start + (20 * i + j) * MINUTE, float(j)) for j in range(20)]) for i in range(100)]
    wall.script = [*[lambda body=body: source.offer(body) for body in bodies], None]
    found = read(source)
    assert ticks(found) == list(range(-3000, -1001))
    assert len(found) <= 3
    assert source.health.accepted == 2000


def test_samples_for_a_closed_tick_are_counted_as_late(caplog) -> None:
    wall = Wall(T0 + 3 * MINUTE)
    source = source_at(wall)
    wall.script = [
        lambda: source.offer(samples((CART, T0, 1.0), (CART, T0 + 2 * MINUTE, 1.0))),
        lambda: source.offer(samples((CART, T0 + MINUTE, 9.0), (DB, T0 + MINUTE + 1, 1.0))),
    ]
    with caplog.at_level(logging.WARNING):
        read(source)
    health = source.health
    assert (health.dropped["late"], health.accepted, health.pending) == (1, 3, 2)
    assert "samples dropped reason=late count=1" in caplog.text


def test_samples_out_of_order_within_the_lateness_make_no_difference() -> None:
    rows = [(series("hits_total", job="cart"), T0 + i * 20_000, float(i * i)) for i in range(16)]
    wanted = None
    for order in (range(16), reversed(range(16)), [3, 1, 2, 0, *range(15, 3, -1)]):
        wall = Wall(T0 + 6 * MINUTE)
        source = source_at(wall, lateness_s=600.0)
        source.offer(samples(*[rows[i] for i in order]))
        wall.script = [None] * 20
        found = values(source, read(source))
        assert ("cart|requests_rate", 3) in found
        wanted = wanted or found
        assert found == wanted


def test_a_repeated_body_changes_nothing_and_is_counted() -> None:
    wall = Wall(T0 + 6 * MINUTE)
    source = source_at(wall)
    body = samples(*[(series("hits_total", job="cart"), T0 + i * 20_000, float(i)) for i in range(16)])
    source.offer(body)
    source.offer(body)
    wall.script = [None] * 10
    assert values(source, read(source))["cart|requests_rate", 4] == pytest.approx(1 / 20)
    assert source.health.dropped["duplicate"] == 16


def test_the_first_of_two_values_for_one_time_counts() -> None:
    wall = Wall(T0 + 6 * MINUTE, [None] * 3)
    source = source_at(wall)
    source.offer(samples((CART, T0, 1.0), (CART, T0, 2.0)))
    assert values(source, read(source))["cart|level", 0] == 1.0


def test_future_and_too_old_samples_are_counted_drops() -> None:
    wall = Wall(T0)
    source = source_at(wall, future_s=600.0, max_age_s=3600.0)
    source.offer(
        samples(
            (CART, T0 + 600_001, 1.0),
            (CART, T0 + 600_000, 1.0),
            (CART, T0 - 3_600_000, 1.0),
            (CART, T0 - 3_599_999, 1.0),
            (CART, -5, 1.0),
        )
    )
    health = source.health
    assert (health.dropped["future"], health.dropped["too_old"], health.accepted) == (1, 2, 2)


def test_overload_takes_nothing_and_room_comes_back() -> None:
    wall = Wall(T0)
    source = source_at(wall, max_pending_samples=3)
    source.offer(samples((CART, T0, 1.0), (DB, T0, 1.0)))
    with pytest.raises(Overloaded, match="2 samples wait already, at most 3 may"):
        source.offer(samples((CART, T0 + 1, 1.0), (DB, T0 + 1, 1.0)))
    with pytest.raises(TooLarge):
        source.offer(samples(*[(CART, T0 + i, 1.0) for i in range(4)]))
    assert (source.health.received, source.health.pending, source.health.refused) == (2, 2, 2)
    assert ticks(read(source)) == [0]  # crowded: closed before its time
    source.offer(samples((CART, T0 + MINUTE, 1.0), (DB, T0 + MINUTE, 1.0)))


def test_a_refused_sender_is_not_a_silent_one() -> None:
    wall = Wall(T0 + 5 * MINUTE)
    source = source_at(wall, max_pending_samples=4, idle_s=30.0)
    full = samples(*[(CART, T0 + i, 1.0) for i in range(4)])

    def refused() -> None:
        wall.move(29)
        with pytest.raises(Overloaded):
            source.offer(full)

    source.offer(samples((CART, T0 - MINUTE, 1.0), (CART, T0, 1.0)))
    wall.script = [lambda: wall.move(1), refused, refused, refused]
    assert ticks(read(source)) == [-1]


def test_a_long_gap_is_jumped_over_and_a_short_one_is_filled() -> None:
    def gap(minutes: int) -> list[int]:
        wall = Wall(T0 + (minutes + 1) * MINUTE)
        source = source_at(wall)
        wall.script = [
            lambda: source.offer(samples((CART, T0, 1.0), (CART, T0 + MINUTE, 1.0))),
            None,
            lambda: source.offer(samples((CART, T0 + minutes * MINUTE, 1.0))),
            None,
        ]
        return ticks(read(source))

    assert gap(50)[:50] == list(range(50))
    long = gap(5000)
    assert long[0] == 0
    assert 5000 in long
    assert len(long) < 1200  # at most what is closed at once, then a jump


def test_a_rate_does_not_reach_over_a_gap_that_was_jumped() -> None:
    hits = series("hits_total", job="cart")
    wall = Wall(T0 + 6 * MINUTE)
    source = source_at(wall)
    wall.script = [
        lambda: source.offer(samples(*[(hits, T0 + i * MINUTE, float(i)) for i in range(6)])),
        None,  # idle: all six ticks close
        lambda: wall.move(5000 * 60),
        lambda: source.offer(samples(*[(hits, T0 + (4990 + i) * MINUTE, 1e6) for i in range(6)])),
        None,
    ]
    found = values(source, read(source))
    assert ("cart|requests_rate", 4990) not in found
    assert found["cart|requests_rate", 4991] == 0.0


def test_ticks_before_the_border_are_history_and_a_batch_never_crosses_it() -> None:
    wall = Wall(T0)
    source = source_at(wall, history_before_ms=T0 - 50 * MINUTE)
    source.offer(samples(*[(CART, T0 + i * MINUTE, 1.0) for i in range(-100, 1)]))
    wall.script = [None]
    found = read(source)
    assert ticks([b for b in found if b.history]) == list(range(-100, -50))
    assert ticks([b for b in found if not b.history]) == list(range(-50, 0))


def test_reading_goes_on_after_the_position() -> None:
    wall = Wall(T0 + 5 * MINUTE)
    source = source_at(wall)
    wall.script = [lambda: source.offer(samples(*[(CART, T0 + i * MINUTE, float(i)) for i in range(5)]))]
    found = read(source, after=T0 + MINUTE)
    assert values(source, found) == {("cart|level", 2): 2.0, ("cart|level", 3): 3.0}
