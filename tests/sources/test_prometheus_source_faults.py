import asyncio
from collections import deque

import numpy as np
import pytest

from aiops.errors import InputError, Refused, Unavailable
from aiops.series import SeriesTable
from aiops.sources import _prometheus_steps as steps
from aiops.sources.prometheus import PrometheusSource, Timing
from tests.sources._fake_prometheus import Trouble
from tests.sources._prometheus_world import NEWEST_MS, NOW_S, STEP_MS, http_date, recipe, regular, row, shop, times_of

DOWN = Trouble(503, b"down")
HOUR_MS = 3_600_000


@pytest.fixture
def world():
    with shop() as world:
        yield world


def test_one_vanished_series_of_several_holds_nothing_up(world):
    world.fake.series["load"] = [({"service": s}, lambda _: "1") for s in "abc"]
    world.fake.series["load"].append(({"service": "d"}, lambda t: "1" if t < NOW_S + 50 else None))
    batches = world.read(6)
    assert np.isnan(row(batches, NEWEST_MS + 4 * STEP_MS)[3])
    assert world.clock.now_s - batches[-1].position / 1000 == world.timing.settle_ms / 1000


def test_a_failing_query_is_waited_for_and_then_read(world):
    world.recipes = [recipe("load"), recipe("memory")]
    world.fake.series["memory"] = [({"service": "db"}, lambda _: "5")]
    world.fake.script["memory"] = deque([DOWN] * 4)
    batches = world.read(3)
    assert times_of(batches[:1])[0] == NEWEST_MS
    assert all(np.isfinite(b.blocks[0].values).all() for b in batches)
    assert world.source.health.counters["query_unavailable"] == 2
    assert world.source.health.counters["steps_missed"] == 0


def test_a_query_that_goes_on_failing_is_missing_after_the_lateness_and_then_not_waited_for(world):
    world.recipes = [recipe("load"), recipe("memory")]
    world.fake.always["memory"] = DOWN
    batches = world.read(8)
    assert regular(batches)
    health = world.source.health
    assert health.up
    assert health.last_error == "HTTP 503: down"
    assert health.counters["steps_missed"] == len(times_of(batches))
    assert world.clock.now_s - batches[-1].position / 1000 < world.timing.settle_ms / 1000 + 1


def test_a_refused_query_is_missing_at_once_and_told_once(world, caplog):
    world.recipes = [recipe("load"), recipe("nonsense")]
    batches = world.read(5)
    assert len(times_of(batches)) == 5
    assert world.clock.now_s - batches[-1].position / 1000 == world.timing.settle_ms / 1000
    assert "parse error" in world.source.health.last_error
    assert caplog.text.count("query failed") == 1


def test_if_all_queries_are_refused_the_source_goes_on_and_says_why(world):
    world.recipes = [recipe("nonsense")]
    world.timing = Timing(history_s=7200)
    batches = world.read(4)
    assert times_of(batches) == []
    assert len({b.position for b in batches}) == 4
    assert "parse error" in world.source.health.last_error


def test_a_query_that_works_again_is_told_and_the_error_forgotten(world, caplog):
    caplog.set_level("INFO")
    world.recipes = [recipe("load"), recipe("memory")]
    world.fake.series["memory"] = [({"service": "db"}, lambda _: "5")]
    world.fake.script["memory"] = deque([DOWN] * 2)
    world.read(3)
    assert world.source.health.last_error == ""
    assert "query works again" in caplog.text


def test_a_dead_server_at_the_start_is_waited_for(world):
    world.fake.script["*"] = deque([DOWN] * 9)
    batches = world.read(2)
    assert regular(batches)
    assert world.source.health.up
    assert max(world.clock.waits[:9]) > 2 * min(world.clock.waits[:9])


def test_a_server_that_dies_later_loses_no_step(world, caplog):
    caplog.set_level("INFO")

    def die(clock):
        world.fake.newest_s = clock.now_s
        is_dead = NOW_S + 100 < clock.now_s < NOW_S + 3000
        world.fake.always = {"*": DOWN} if is_dead else {}

    world.clock.on_sleep = die
    batches = world.read(8)
    assert regular(batches)
    assert times_of(batches)[-1] > (NOW_S + 2900) * 1000
    assert all(np.isfinite(block.values).all() for b in batches for block in b.blocks)
    assert caplog.text.count("server does not answer") == 1
    assert world.source.health.up


def test_while_the_server_is_dead_health_says_so(world):
    seen = []

    def look(clock):
        world.fake.newest_s = clock.now_s
        seen.append(world.source.health)
        if len(seen) == 5:
            world.fake.always.clear()

    world.fake.always["*"] = DOWN
    world.clock.on_sleep = look
    world.read(1)
    assert {(h.up, h.last_success_ms) for h in seen[:5]} == {(False, None)}
    assert seen[4].last_error == "HTTP 503: down"
    after = world.source.health
    assert (after.up, after.last_error) == (True, "")
    assert after.last_success_ms == pytest.approx(world.clock.now_s * 1000, abs=1)


def test_history_waits_for_a_server_that_dies_in_the_middle(world):
    world.timing = Timing(history_s=12 * 3600)
    world.fake.script["load"] = deque([DOWN] * 6)
    past = [b for b in world.read(6) if b.history]
    assert regular(past)
    assert np.isfinite(past[0].blocks[0].values).all()


def test_history_gives_up_a_query_that_never_answers_while_others_do(world):
    world.recipes = [recipe("load"), recipe("memory")]
    world.fake.always["memory"] = DOWN
    world.timing = Timing(history_s=7200)
    batches = world.read(2)
    assert batches[0].history
    assert np.isfinite(batches[0].blocks[0].values).all()
    assert len(world.table) == 2
    assert world.source.health.counters["query_unavailable"] >= steps.ROUNDS


def test_history_survives_a_server_that_dies_wholly(world):
    world.timing = Timing(history_s=7200)

    def die(clock):
        world.fake.newest_s = NOW_S
        world.fake.always = {} if clock.now_s > NOW_S + 300 else {"*": DOWN}

    async def go():
        stream = world.build().read(None)
        world.fake.always = {}
        await world.source._steps.connect(stubborn=True)
        world.clock.on_sleep = die
        world.fake.script["load"] = deque([DOWN] * 2)
        world.fake.script["vector(1)"] = deque([Trouble(kind="reset")])
        batch = await anext(stream)
        await stream.aclose()
        await world.source.client.aclose()
        return batch

    batch = asyncio.run(go())
    assert np.isfinite(batch.blocks[0].values).all()


def test_partial_answers_teach_nothing_but_do_for_live_steps(world):
    world.timing = Timing(history_s=7200, recent_s=0)
    world.fake.extra = {"warnings": ["store a: timeout"]}
    batches = world.read(6)
    past = [b for b in batches if b.history]
    assert times_of(past) == []
    assert times_of([batches[-1]])
    assert world.source.health.counters["partial"] > 0


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_server_that_refuses_us_at_the_start_ends_the_source(world, status):
    world.fake.always["*"] = Trouble(status, b'{"error":"no"}')
    with pytest.raises(Refused, match=f"HTTP {status}: no"):
        world.read(1)


def test_a_server_that_refuses_us_later_is_waited_for(world):
    def expire(clock):
        world.fake.newest_s = clock.now_s
        expired = NOW_S + 100 < clock.now_s < NOW_S + 300
        world.fake.always = {"*": Trouble(401, b"expired")} if expired else {}

    world.clock.on_sleep = expire
    batches = world.read(6)
    assert regular(batches)
    assert all(np.isfinite(block.values).all() for b in batches for block in b.blocks)


def test_a_clock_that_is_set_back_brings_no_step_twice(world):
    jumped = []

    def jump(clock):
        if clock.now_s > NOW_S + 100 and not jumped:
            jumped.append(clock.now_s)
            clock.now_s -= 1800
        world.fake.newest_s = clock.now_s

    world.clock.on_sleep = jump
    batches = world.read(8)
    assert jumped
    assert regular(batches)
    assert world.source.health.counters["clock_back"] == 1
    assert max(world.clock.waits) <= 60


def test_a_clock_ahead_of_the_servers_does_not_ask_for_the_future(world):
    world.clock.now_s = NOW_S + 7200

    def tick(clock):
        world.fake.newest_s = clock.now_s - 7200
        world.fake.date = http_date(clock.now_s - 7200)

    tick(world.clock)
    world.clock.on_sleep = tick
    batches = world.read(3)
    assert abs(times_of(batches)[0] - NEWEST_MS) <= STEP_MS
    assert all(np.isfinite(b.blocks[0].values).all() for b in batches)
    assert world.source.health.clock_ahead_s == pytest.approx(7200, abs=2)


def test_a_nonsense_date_of_the_server_is_ignored(world):
    world.fake.date = "yesterday"
    assert regular(world.read(2))


def test_odd_series_are_counted_and_dropped(world):
    world.table = SeriesTable(limit=2)
    world.recipes = [recipe("load"), recipe("calls", peer=("peer",))]
    one = lambda _: "1"
    world.fake.series["load"] = [
        ({"service": "a"}, one),
        ({"service": "x/a"}, lambda _: "9"),
        ({"job": "nobody"}, one),
        ({"service": "b" * 2000}, one),
        ({"service": "b"}, one),
        ({"service": "c"}, lambda _: "+Inf"),
    ]
    world.fake.series["calls"] = [({"service": "a"}, one)]
    (batch,) = world.read(1)
    counters = world.source.health.counters
    expected = {"no_service": 2, "label_too_long": 1, "table_full": 1, "infinite": 1, "same_key": 1}
    assert {k: counters[k] for k in expected} == expected
    assert batch.blocks[0].values.tolist() == [[1.0, 1.0]]


def test_the_first_recipe_to_show_a_series_keeps_it(world):
    world.recipes = [recipe("load"), recipe("load", agg="max")]
    (batch,) = world.read(1)
    assert len(batch.blocks[0].ids) == 2
    assert world.source.health.counters["other_recipe"] == 2


def test_a_second_result_for_the_same_series_fills_gaps_only(world):
    world.fake.series["load"] = [
        ({"service": "a"}, lambda t: "1" if t < NOW_S - 100 else None),
        ({"service": "x/a"}, lambda _: "9"),
    ]
    (batch,) = world.replay(NEWEST_MS - 10 * STEP_MS, NEWEST_MS)
    column = batch.blocks[0].values[:, 0]
    assert set(column.tolist()) == {1.0, 9.0}
    assert (np.diff(column) >= 0).all()


def test_columns_forgotten_under_a_flood_of_names_come_back_the_same(world, monkeypatch):
    monkeypatch.setattr("aiops.sources._prometheus_columns.REMEMBERED", 1)
    batches = world.read(3)
    assert all(b.blocks[0].values[0, 1] == 2.0 for b in batches)
    assert len(world.table) == 2


def test_replay_of_a_dead_server_or_query_is_an_error(world):
    world.fake.always["load"] = DOWN
    with pytest.raises(Unavailable, match="HTTP 503: down"):
        world.replay(NEWEST_MS - HOUR_MS, NEWEST_MS)
    world.fake.always["*"] = DOWN
    with pytest.raises(Unavailable, match="HTTP 503: down"):
        world.replay(NEWEST_MS - HOUR_MS, NEWEST_MS)


def test_replay_of_nothing_but_refused_queries_is_an_error(world):
    world.recipes = [recipe("nonsense")]
    with pytest.raises(Refused, match="parse error"):
        world.replay(NEWEST_MS - HOUR_MS, NEWEST_MS)


def test_replay_leaves_out_one_refused_query_and_counts_it(world):
    world.recipes = [recipe("load"), recipe("nonsense")]
    assert len(world.replay(NEWEST_MS - HOUR_MS, NEWEST_MS)) == 2
    assert world.source.health.counters["query_refused"] == 2


def test_a_source_needs_recipes(world):
    with pytest.raises(InputError, match="at least one recipe"):
        PrometheusSource("p", None, [], world.table, query_of=str)


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"step_s": 0}, "step_s must be a positive whole number of milliseconds, got 0"),
        ({"step_s": 0.0001}, "step_s must"),
        ({"lateness_s": -1}, "lateness_s must be >= 0, got -1"),
        ({"settle_s": -1}, "settle_s"),
        ({"history_s": float("nan")}, "history_s"),
        ({"recent_s": -1}, "recent_s"),
        ({"max_catch_up_s": -1}, "max_catch_up_s"),
    ],
)
def test_timing_that_cannot_work_is_refused_with_the_rule(settings, rule):
    with pytest.raises(InputError, match=rule):
        Timing(**settings)
