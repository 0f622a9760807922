"""The source of everything pushed: what is kept of series, for how long, and whose a watched series is."""

import asyncio
import logging
import math

import numpy as np
import pytest

from aiops.demo.encode import HEADERS, encode
from aiops.model import Signal
from aiops.packs._recipe import Pack, Recipe, Selector
from aiops.series import SeriesTable
from aiops.sources._pushed_samples import Samples
from aiops.sources.push import PushSettings, PushSource, SeriesLimits, wait_for_event
from tests.sources._push_wall import PACK, T0, UP, Wall, read, samples, series, source_at, ticks, values

MINUTE = 60_000
CART = series("level", job="cart")
DB = series("level", job="db")


def test_a_stale_marker_ends_a_gauge_at_once_and_a_new_sample_begins_it_again() -> None:
    wall = Wall(T0 + 5 * MINUTE, [None] * 10)
    source = source_at(wall)
    source.offer(samples((CART, T0, 1.0), (CART, T0 + MINUTE, 0.0), (CART, T0 + 3 * MINUTE, 7.0), stale=[1]))
    found = values(source, read(source))
    assert [tick for _, tick in found] == [0, 3, 4, 5, 6, 7]
    assert found["cart|level", 7] == 7.0


def test_a_gauge_is_forgotten_after_the_lookback() -> None:
    wall = Wall(T0, [None] * 14)
    source = source_at(wall, lookback_s=150.0)
    source.offer(samples((CART, T0, 1.0)))
    assert [tick for _, tick in values(source, read(source))] == [0, 1, 2]


def test_bodies_go_through_and_what_nobody_reads_is_counted() -> None:
    wall = Wall(T0 + MINUTE, [None] * 4)
    source = source_at(wall)
    body = encode([(CART, [(T0, 4.0), (T0 + 1, math.inf)]), (series("other", job="cart"), [(T0, 1.0)])])
    source.write(body, HEADERS)
    assert values(source, read(source))["cart|level", 0] == 4.0
    health = source.health
    assert (health.unwatched, health.skipped["exemplars"], health.skipped["infinite"]) == (1, 0, 1)


def test_live_series_show_their_edges() -> None:
    wall = Wall(T0 + 2 * MINUTE, [None] * 2)
    source = source_at(wall)
    edge = series("calls_total", client="cart", server="db")
    old = series("calls_total", client="cart", server="old")
    source.offer(
        samples((edge, T0, 1.0), (CART, T0, 1.0), (DB, T0, 1.0), (old, T0, 1.0), (old, T0 + 1, 0.0), stale=[4])
    )
    read(source)
    assert list(source.edges(T0 + MINUTE)) == [(dict(edge), T0)]
    assert list(source.edges(T0 + 400_000)) == []


def test_series_that_stop_are_evicted_and_may_come_back() -> None:
    wall = Wall(T0 + 300 * MINUTE)
    source = source_at(wall, evict_after_s=3600.0, series=SeriesLimits(max_raw_series=2))
    source.offer(samples((CART, T0, 1.0), (DB, T0, 1.0), (series("level", job="third"), T0, 1.0)))
    assert (source.health.raw_series, source.health.dropped["series_limit"]) == (2, 1)
    source.offer(samples(*[(DB, T0 + i * MINUTE, 2.0) for i in range(1, 200)]))
    wall.script = [None]
    found = read(source)
    assert (source.health.raw_series, source.health.signals) == (1, 1)
    assert max(tick for key, tick in values(source, found) if key == "cart|level") == 4
    third = series("level", job="third")
    source.offer(samples((third, T0 + 200 * MINUTE, 9.0), (DB, T0 + 200 * MINUTE, 3.0), (DB, T0 + 202 * MINUTE, 3.0)))
    wall.script = [None]
    later = values(source, read(source))
    assert (later["third|level", 200], later["db|level", 200]) == (9.0, 3.0)
    assert source.health.raw_series == 2


def test_ended_series_are_evicted_sooner() -> None:
    wall = Wall(T0 + 300 * MINUTE, [None])
    source = source_at(wall, evict_after_s=360_000.0)
    source.offer(samples((CART, T0, 1.0), (CART, T0 + 1, 0.0), stale=[1]))
    source.offer(samples(*[(DB, T0 + i * MINUTE, 2.0) for i in range(30)]))
    read(source)
    assert source.health.raw_series == 1


def test_a_full_table_is_said_and_the_rest_goes_on(caplog) -> None:
    wall = Wall(T0 + MINUTE, [None] * 4)
    source = source_at(wall, limit=1)
    source.offer(samples((CART, T0, 1.0), (DB, T0, 1.0)))
    with caplog.at_level(logging.WARNING):
        found = read(source)
    assert set(values(source, found)) == {("cart|level", i) for i in range(4)}
    assert "no room for watched series limit=1" in caplog.text


def test_one_watched_series_has_one_recipe_and_the_earlier_one_wins() -> None:
    other = Recipe("u", Signal("level", "saturation"), "gauge", Selector("depth"), service=("job",))
    wall = Wall(T0 + 300 * MINUTE, [None])
    source = PushSource(
        [Pack("t", "t", (), (UP,)), Pack("u", "u", (), (other,))],
        SeriesTable(),
        PushSettings(step_s=60.0, evict_after_s=600.0),
        clock=wall,
        wait=wall.wait,
    )
    depth = series("depth", job="cart")
    source.offer(samples(*[(depth, T0 + i * MINUTE, 2.0) for i in range(40)], (CART, T0, 1.0)))
    found = read(source)
    assert all(len(block.ids) == 1 for batch in found for block in batch.blocks)
    assert values(source, found)["cart|level", 0] == 1.0
    source.offer(samples(*[(depth, T0 + i * MINUTE, 2.0) for i in range(40, 60)]))
    wall.script = [None]
    assert values(source, read(source))["cart|level", 45] == 2.0, "the other takes over when the first is gone"


def test_an_owner_stays_when_another_way_to_the_same_series_goes() -> None:
    ways = [Recipe("t", UP.signal, "gauge", Selector(metric), service=("job",)) for metric in ("a", "b", "c")]
    wall = Wall(T0 + 300 * MINUTE)
    source = source_at(wall, Pack("t", "t", (), tuple(ways)), evict_after_s=600.0)
    a, b, c = (series(metric, job="cart") for metric in ("a", "b", "c"))
    source.offer(samples((b, T0, 2.0), (b, T0 + 2 * MINUTE, 2.0)))
    wall.script = [None, lambda: source.offer(samples((c, T0 + 3 * MINUTE, 3.0)))]
    assert values(source, read(source))["cart|level", 0] == 2.0
    source.offer(samples(*[(one, T0 + i * MINUTE, value) for i in range(4, 60) for one, value in ((a, 1.0), (b, 2.0))]))
    wall.script = [None]
    assert values(source, read(source))["cart|level", 58] == 2.0
    assert source.health.raw_series == 2


def test_a_steady_reader_waits_for_the_next_tick_only() -> None:
    wall = Wall(T0 + 1000)
    source = source_at(wall, idle_s=30.0)
    source.offer(samples((CART, T0, 1.0)))
    wall.script = [None, None, None]
    read(source)
    before = wall.now_s
    wall.script = [None]
    read(source)
    assert 0 < wall.now_s - before <= 60


def test_samples_nobody_watches_keep_no_tick_open_and_close_none() -> None:
    wall = Wall(T0 + 60 * MINUTE)
    source = source_at(wall)
    source.offer(samples((CART, T0, 1.0)))
    source.offer(samples((series("other", job="x"), T0 + 60 * MINUTE, 1.0)))
    assert read(source) == []
    wall.script = [None]
    assert ticks(read(source))[0] == 0


def test_an_empty_body_is_nothing() -> None:
    wall = Wall(T0)
    source = source_at(wall)
    empty = np.zeros(0)
    source.offer(Samples([], empty.astype(np.int32), empty.astype(np.int64), empty, empty.astype(np.bool_)))
    assert source.health.received == 0


@pytest.mark.parametrize(
    ("setting", "value"),
    [("step_s", 0.0), ("step_s", 0.0005), ("lateness_s", -1.0), ("idle_s", 0.0), ("max_pending_samples", 0)],
)
def test_impossible_settings_are_refused_by_name(setting: str, value: float) -> None:
    with pytest.raises(ValueError, match=setting):
        PushSettings(**{setting: value})


def test_a_step_of_whole_milliseconds_is_taken_whatever_its_binary_form() -> None:
    assert PushSettings(step_s=0.07).step_ms == 70


def test_the_real_wait_tells_whether_the_event_came() -> None:
    async def both() -> tuple[bool, bool]:
        event = asyncio.Event()
        quiet = await wait_for_event(event, 0.001)
        event.set()
        return quiet, await wait_for_event(event, 10.0)

    assert asyncio.run(both()) == (False, True)


def test_the_pack_of_these_tests_is_what_they_say() -> None:
    assert [recipe.form for recipe in PACK.recipes] == ["gauge", "rate"]
