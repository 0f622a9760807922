import asyncio
import random

import numpy as np
import pytest

from aiops.model import SeriesKey
from aiops.sources import Source
from aiops.sources import _prometheus_steps as steps
from aiops.sources.prometheus import Patience, Timing
from tests.sources._fake_prometheus import Trouble
from tests.sources._prometheus_world import NEWEST_MS, NOW_S, STEP_MS, recipe, regular, row, shop, times_of

DOWN = Trouble(503, b"down")
HOUR_MS = 3_600_000


@pytest.fixture
def world():
    with shop() as world:
        yield world


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


def test_every_counter_is_there_from_the_start(world):
    health = world.build().health
    assert not health.up
    assert len(health.counters) > 15
    assert set(health.counters.values()) == {0}


def test_waits_double_up_to_the_longest():
    patience = Patience(wait_s=1.0, longest_wait_s=6.0)
    waits = [patience.wait_after(n, random.Random(4)) for n in (1, 2, 3, 4, 5000)]
    assert [w / waits[0] for w in waits] == pytest.approx([1, 2, 4, 6, 6])


def test_the_server_is_asked_at_multiples_of_the_step(world):
    world.read(3)
    asked = [r for r in world.fake.asked() if r.params["query"] == "load"]
    assert {r.params["step"] for r in asked} == {"30.000"}
    assert all(float(r.params[side]) % 30 == 0 for r in asked for side in ("start", "end"))


def test_the_table_can_be_read_in_the_middle_of_an_addition_by_another_thread(world):
    world.read(1)
    table = world.table
    table._keys.append(SeriesKey("load", "half added"))
    assert len(table) == len(list(table.items())) == 2
