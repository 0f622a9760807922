"""Replay files as sources, and sources put into replay files."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from aiops.errors import InputError, Unavailable
from aiops.model import Block, Event
from aiops.series import SeriesTable
from aiops.sources import Batch
from aiops.sources.replay_file import ReplayFile, saved_to
from aiops.wire import ReplayBlock, read_replay, write_replay
from tests.runners._world import SERIES, START_MS, STEP_MS, Feed, row_ms


def block(first, end):
    values = np.arange(first, end, dtype=float)[:, None] * [1.0, 10.0]
    keys, signals = zip(*SERIES, strict=True)
    return ReplayBlock(
        Block(START_MS + STEP_MS * np.arange(first, end), np.array([5, 9], np.int32), values), keys, signals
    )


def event(name, row):
    return Event(name, row_ms(row), "db", "deploy")


def read(path, after=None, limit=100):
    source = ReplayFile(path, SeriesTable(limit))

    async def collect():
        return [batch async for batch in source.read(after)]

    return source, asyncio.run(collect())


@pytest.fixture
def path(tmp_path):
    return tmp_path / "shop.replay"


def rows_of(batches):
    return [(t - START_MS) // STEP_MS for b in batches for one in b.blocks for t in one.times.tolist()]


def test_events_that_stand_first_cost_no_rows(path):
    """As `replay --save` writes them: every event, also the latest, before the first block."""
    write_replay(path, [event("a", 2), event("b", 9), block(0, 4), block(4, 8)], name="shop", step_s=30.0)
    source, batches = read(path)
    assert (source.name, source.step_s) == ("shop", 30.0)
    assert rows_of(batches) == list(range(8))
    assert [b.position for b in batches] == [row_ms(3), row_ms(7)]
    assert [[e.id for e in b.events] for b in batches] == [["a", "b"], []]
    assert [str(source.table.key(n)) for n in range(2)] == ["cart|latency_p95", "db|latency_p95"]


def test_events_after_the_last_block_come_at_their_time(path):
    write_replay(path, [block(0, 4), event("a", 2), event("b", 9)])
    _, batches = read(path)
    assert [(b.position, len(b.events)) for b in batches] == [(row_ms(3), 0), (row_ms(9), 2)]


def test_rows_up_to_a_position_are_left_out(path):
    write_replay(path, [block(0, 4), block(4, 8), block(8, 12)])
    _, batches = read(path, after=row_ms(5))
    assert rows_of(batches) == list(range(6, 12))
    assert batches[0].blocks[0].values[0].tolist() == [6.0, 60.0]


def test_series_beyond_the_limit_are_refused_and_counted(path):
    write_replay(path, [block(0, 4)])
    source, (batch,) = read(path, limit=1)
    assert batch.blocks[0].ids.tolist() == [0]
    assert batch.blocks[0].values[:, 0].tolist() == [0.0, 1.0, 2.0, 3.0]
    assert source.table.refused == 1


def test_a_file_without_a_head_of_its_own_has_the_name_of_the_file_and_a_minute(path):
    write_replay(path, [])
    source, batches = read(path)
    assert (source.name, source.step_s, batches) == ("shop.replay", 60.0, [])


@pytest.mark.parametrize("body", [None, b"", b"PAR1 and so on", b"AIOPSREP\x09rest"])
def test_what_is_no_replay_file_is_refused(path, body):
    if body is not None:
        path.write_bytes(body)
    with pytest.raises(InputError, match=r"shop\.replay"):
        ReplayFile(path, SeriesTable())


# -- saving


async def _saved(path, feed, events=(), take=10**9):
    batches = saved_to(path, feed.read(None), feed.table, name="shop", step_s=30.0, events=list(events))
    passed = []
    async for batch in batches:
        passed.append(batch)
        if len(passed) == take:
            break
    await batches.aclose()
    return passed


def test_what_is_saved_comes_back_without_its_history(path):
    feed = Feed(events=[event("own", 730)])
    passed = asyncio.run(_saved(path, feed, [event("late", 800), event("early", 725)]))
    _, batches = read(path)
    live = [b for b in passed if not b.history]
    assert len(live) < len(passed)
    assert rows_of(batches) == rows_of(live)
    for one, other in zip(batches, live, strict=True):
        assert np.array_equal(one.blocks[0].values, other.blocks[0].values)
    assert [e.id for b in batches for e in b.events] == ["early", "late", "own"]


@pytest.mark.parametrize("take", [2, 10**9])
def test_a_period_that_was_not_read_to_its_end_leaves_no_file(path, take):
    feed = Feed(faults=[Unavailable("gone")] if take > 2 else [])
    if take > 2:
        with pytest.raises(Unavailable):
            asyncio.run(_saved(path, feed))
    else:
        asyncio.run(_saved(path, feed, take=take))
    assert list(path.parent.iterdir()) == []


def test_a_file_that_cannot_be_written_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        asyncio.run(_saved(tmp_path / "no folder" / "x.replay", Feed(size=1)))


def test_a_block_without_columns_is_saved_too(path):
    async def empty():
        yield Batch(row_ms(0), (Block(np.array([row_ms(0)]), np.zeros(0, np.int32), np.zeros((1, 0))),))

    async def save():
        return [b async for b in saved_to(path, empty(), SeriesTable(), name="", step_s=1.0, events=[])]

    assert len(asyncio.run(save())) == 1
    assert len(list(read_replay(path))) == 1
