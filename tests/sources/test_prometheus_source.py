import asyncio
import random
from collections import deque

import numpy as np
import pytest

from aiops.errors import InputError, Refused, Unavailable
from aiops.model import SeriesKey
from aiops.series import SeriesTable
from aiops.sources import Source
from aiops.sources import _prometheus_steps as steps
from aiops.sources.prometheus import Patience, PrometheusSource, Timing
from tests.sources._clock import NEWEST_MS, NOW_S, STEP_MS, World, http_date, recipe, times_of
from tests.sources._fake_prometheus import FakePrometheus, Trouble, serve

DOWN = Trouble(503, b"down")
HOUR_MS = 3_600_000


def value_at(time_s):
    return repr(time_s % 1000)


@pytest.fixture
def world():
    fake = FakePrometheus()
    fake.series["load"] = [({"service": "cart"}, value_at), ({"service": "db"}, lambda _: "2")]
    stop = serve(fake)
    world = World(fake)
    fake.newest_s = world.clock.now_s
    world.clock.on_sleep = lambda clock: setattr(fake, "newest_s", clock.now_s)
    yield world
    stop()


def regular(batches):
    times = times_of(batches)
    return times == list(range(times[0], times[-1] + 1, STEP_MS))


def row(batches, time_ms):
    for batch in batches:
        for block in batch.blocks:
            if time_ms in block.times:
                return block.values[block.times.tolist().index(time_ms)].tolist()
    raise AssertionError(f"no row {time_ms}")


def test_it_is_a_source(world):
    source: Source = world.build()
    assert (source.name, source.step_s, source.table) == ("prom", 30.0, world.table)


def test_live_steps_come_once_each_in_order_as_they_settle(world):
    batches = world.read(6)
    assert regular(batches)
    assert times_of(batches) == [NEWEST_MS + k * STEP_MS for k in range(6)]
    assert [b.position for b in batches] == times_of(batches)
    assert not any(b.history for b in batches)
    assert world.table.key(0) == SeriesKey("load", "cart")
    assert row(batches, NEWEST_MS) == [NEWEST_MS / 1000 % 1000, 2.0]
    lag = world.clock.now_s - batches[-1].position / 1000
    assert lag == world.timing.settle_ms / 1000


def test_each_live_step_costs_one_request_a_query(world):
    world.recipes = [recipe("load"), recipe("memory")]
    world.fake.series["memory"] = [({"service": "db"}, lambda _: "5")]
    world.read(10)
    asked = [r for r in world.fake.asked() if r.params["query"] == "load"]
    assert len(asked) == 10
    assert all(r.params["start"] == r.params["end"] for r in asked[1:])


def test_all_queries_of_a_step_are_joined_into_one_block(world):
    world.recipes = [recipe("load"), recipe("memory"), recipe("calls", peer=("peer",), by=("zone",))]
    world.fake.series["memory"] = [({"service": "db"}, lambda _: "5")]
    world.fake.series["calls"] = [({"service": "cart", "peer": "db", "zone": "a"}, lambda _: "7")]
    (batch,) = world.read(1)
    keys = [str(world.table.key(i)) for i in batch.blocks[0].ids]
    assert keys == ["cart|load", "db|load", "db|memory", "cart>db|calls{zone=a}"]
    assert batch.blocks[0].values.tolist() == [[NEWEST_MS / 1000 % 1000, 2.0, 5.0, 7.0]]


def test_the_first_start_reads_history_and_lets_its_last_hour_raise(world):
    world.timing = Timing(history_s=6 * 3600)
    batches = world.read(12)
    assert regular(batches)
    assert abs(times_of(batches)[0] - (NOW_S - 6 * 3600) * 1000) <= STEP_MS
    past = [b for b in batches if b.history]
    assert abs(past[-1].position - (NOW_S * 1000 - HOUR_MS)) <= STEP_MS
    assert [b.history for b in batches] == [True] * len(past) + [False] * (len(batches) - len(past))
    assert np.isfinite(batches[3].blocks[0].values).all()


def test_history_comes_in_chunks_of_bounded_size(world, monkeypatch):
    monkeypatch.setattr(steps, "CELLS", 600)
    world.timing = Timing(history_s=12 * 3600)
    past = [b for b in world.read(8) if b.history]
    assert [len(b.blocks[0].times) for b in past[:3]] == [120, 300, 300]


def test_the_next_chunk_is_fetched_while_the_caller_works(world):
    world.timing = Timing(history_s=12 * 3600)

    async def go():
        stream = world.build().read(None)
        first = await anext(stream)
        asked = len(world.fake.asked())
        for _ in range(200):
            await asyncio.sleep(0.005)
            if len(world.fake.asked()) > asked:
                break
        ahead = len(world.fake.asked()) > asked
        await stream.aclose()
        leftovers = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
        await world.source.client.aclose()
        return first, ahead, leftovers

    first, ahead, leftovers = asyncio.run(go())
    assert first.history
    assert ahead
    assert leftovers == []


def test_after_a_restart_the_gap_is_read_and_may_raise(world):
    after = NEWEST_MS - 5 * HOUR_MS
    batches = world.read(6, after)
    assert times_of(batches)[0] == after + STEP_MS
    assert regular(batches)
    assert not any(b.history for b in batches)


def test_a_gap_too_long_to_be_news_only_teaches_and_what_is_too_old_is_counted(world):
    world.timing = Timing(history_s=4 * 3600, max_catch_up_s=3600)
    after = NEWEST_MS - 10 * HOUR_MS
    batches = world.read(9, after)
    times = times_of(batches)
    assert abs(times[0] - (NEWEST_MS - 4 * HOUR_MS)) <= STEP_MS
    assert regular(batches)
    taught = [b.position for b in batches if b.history]
    assert abs(taught[-1] - (NEWEST_MS - HOUR_MS)) <= STEP_MS
    assert world.source.health.counters["gap_skipped_s"] == pytest.approx(6 * 3600, abs=60)


def test_a_position_of_just_now_goes_on_live(world):
    batches = world.read(2, NEWEST_MS - STEP_MS)
    assert times_of(batches) == [NEWEST_MS, NEWEST_MS + STEP_MS]


def test_late_data_is_asked_for_again_until_it_is_there(world):
    world.recipes = [recipe("load"), recipe("memory")]
    world.fake.series["memory"] = [({"service": "db"}, lambda _: "5")]

    def lag(clock):
        world.fake.newest_s = clock.now_s
        if clock.now_s > NOW_S + 100:
            world.fake.late["memory"] = 40.0

    world.clock.on_sleep = lag
    batches = world.read(12)
    assert regular(batches)
    assert all(np.isfinite(block.values).all() for b in batches for block in b.blocks)
    asked = [r.params for r in world.fake.asked() if r.params["query"] == "memory"]
    assert any(p["end"] > p["start"] for p in asked)


def test_data_later_than_the_lateness_stays_missing(world):
    world.recipes = [recipe("load"), recipe("memory")]
    world.fake.series["memory"] = [({"service": "db"}, lambda t: "5" if t < NOW_S + 100 else None)]
    batches = world.read(8)
    assert regular(batches)
    last = row(batches, NEWEST_MS + 6 * STEP_MS)
    assert last[:2] == [(NEWEST_MS + 6 * STEP_MS) / 1000 % 1000, 2.0]
    assert np.isnan(last[2])
    assert world.clock.now_s - batches[-1].position / 1000 < 60


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


def test_a_series_that_appears_later_widens_the_blocks(world):
    world.fake.series["load"].append(({"service": "new"}, lambda t: "3" if t > NOW_S + 30 else None))
    batches = world.read(4)
    assert [len(b.blocks[0].ids) for b in batches] == [2, 2, 3, 3]


def test_replay_gives_the_period_as_fast_as_it_comes_without_waiting(world):
    world.timing = Timing(step_s=30)
    batches = world.replay(NEWEST_MS - 24 * HOUR_MS, NEWEST_MS)
    assert regular(batches)
    assert len(times_of(batches)) == 24 * 120 + 1
    assert not any(b.history for b in batches)
    assert world.clock.waits == []


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


def test_every_counter_is_there_from_the_start(world):
    health = world.build().health
    assert not health.up
    assert len(health.counters) > 15
    assert set(health.counters.values()) == {0}


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


def test_waits_double_up_to_the_longest():
    patience = Patience(wait_s=1.0, longest_wait_s=6.0)
    waits = [patience.wait_after(n, random.Random(4)) for n in (1, 2, 3, 4, 5000)]
    assert [w / waits[0] for w in waits] == pytest.approx([1, 2, 4, 6, 6])


def test_the_server_is_asked_at_multiples_of_the_step(world):
    world.read(3)
    asked = [r for r in world.fake.asked() if r.params["query"] == "load"]
    assert {r.params["step"] for r in asked} == {"30.000"}
    assert all(float(r.params[side]) % 30 == 0 for r in asked for side in ("start", "end"))
