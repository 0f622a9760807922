"""Event time: it follows the data, goes on with the wall clock, and never back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aiops.runners._clock import PATIENCE_S, EventClock
from tests.runners._world import Wall


def clock_at(now_s):
    wall = Wall(now_s)
    return wall, EventClock(wall)


def test_before_any_data_it_is_the_wall_clock():
    wall, clock = clock_at(1000.0)
    wall.move(5)
    assert (clock.now_ms(), clock.is_set) == (1_005_000, False)


def test_it_follows_positions_and_goes_on_between_them():
    wall, clock = clock_at(1000.0)
    clock.reached(400_000)
    wall.move(3)
    assert (clock.now_ms(), clock.wall_ms(), clock.is_set) == (403_000, 1_003_000, True)
    clock.reached(500_000)
    assert clock.now_ms() == 500_000


def test_a_position_that_was_passed_changes_nothing():
    wall, clock = clock_at(1000.0)
    clock.reached(400_000)
    wall.move(10)
    clock.reached(405_000)
    wall.move(1)
    assert clock.now_ms() == 411_000


@given(st.lists(st.tuples(st.integers(0, 10**9), st.floats(-100, 100)), min_size=1, max_size=30))
def test_it_never_goes_back_once_data_has_come(steps):
    wall, clock = clock_at(1_000_000.0)
    clock.reached(0)
    before = clock.now_ms()
    for position_ms, seconds in steps:
        clock.reached(position_ms)
        after_reaching = clock.now_ms()
        assert after_reaching >= before
        assert after_reaching >= position_ms
        wall.move(max(0.0, seconds))
        assert clock.now_ms() >= after_reaching
        before = clock.now_ms()


def test_a_wall_clock_that_is_set_back_stops_it_for_a_moment():
    wall, clock = clock_at(1000.0)
    clock.reached(400_000)
    wall.move(-500)
    assert clock.now_ms() == 400_000


def test_after_a_restart_it_goes_on_where_it_was():
    wall, clock = clock_at(1000.0)
    clock.resume(300_000)
    wall.move(2)
    assert (clock.now_ms(), clock.is_set) == (302_000, True)
    clock.reached(301_000)
    wall.move(PATIENCE_S + 1)
    assert clock.now_ms() == 302_000 + round(1000 * (PATIENCE_S + 1))


def test_without_data_after_a_restart_it_turns_to_the_wall_clock_and_stays_there():
    wall, clock = clock_at(1000.0)
    clock.resume(300_000)
    wall.move(PATIENCE_S + 1)
    assert clock.now_ms() == clock.wall_ms() == 1_121_000
    clock.reached(310_000)
    wall.move(4)
    assert clock.now_ms() == 1_125_000


def test_a_saved_time_in_the_future_is_not_believed():
    _, clock = clock_at(1000.0)
    clock.resume(9_000_000)
    assert clock.now_ms() == 1_000_000
