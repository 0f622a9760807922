"""A level that is accepted after a deploy by the running service: saved at once, and taken back on request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from aiops.backend import ServiceBackend
from aiops.model import Block, Event, SeriesKey, Signal
from aiops.runners.replay import Replay
from aiops.series import SeriesTable
from aiops.sources import Batch
from tests._verdict_world import book_over
from tests.runners._world import STEP_MS, TAUGHT, World, blame_db, pipeline_of, row_ms

CPU = Signal("cpu_cores", "saturation", "cores", "up", min_absolute=0.1)
DEPLOY = Event("d1", row_ms(TAUGHT + 10), "cart", "deploy", "cart v2")
ROWS = 120


def shifted() -> np.ndarray:
    values = 1.0 + 0.03 * np.random.default_rng(1).standard_normal((TAUGHT + ROWS, 1))
    values[TAUGHT + 15 :] += 5.0
    return values


@dataclass
class Cpu:
    """A source of one series whose level shifts after a deploy."""

    values: np.ndarray = field(default_factory=shifted)
    name: str = "shop"
    step_s: float = STEP_MS / 1000
    shift_ms: int = 0
    events: Sequence[Event] = (DEPLOY,)
    size: int = 7
    table: SeriesTable = field(default_factory=SeriesTable)

    async def read(self, after: int | None) -> AsyncIterator[Batch]:
        number = self.table.add(SeriesKey("cpu_cores", "cart"), CPU)
        row = 0 if after is None else (after - row_ms(0)) // STEP_MS + 1
        while row < len(self.values):
            end = TAUGHT if row < TAUGHT else min(row + self.size, len(self.values))
            times = row_ms(row) + STEP_MS * np.arange(end - row)
            block = Block(times, np.array([number], np.int32), self.values[row:end])
            events = tuple(e for e in self.events if times[0] <= e.time_ms <= times[-1])
            yield Batch(int(times[-1]), (block,), events, history=end == TAUGHT)
            row = end


def backend_of(world: World) -> ServiceBackend:
    return ServiceBackend(
        world.store, world.pipeline, world.telemetry, world.health, world.runner.wake, book=book_over()
    )


def test_it_is_saved_with_the_cycle_that_accepted_it_and_can_be_undone_after_a_restart(tmp_path):
    first = World(tmp_path / "store.sqlite", [Cpu()])
    first.run()
    (one,) = first.pipeline.accepted()
    assert one.accepted_ms == row_ms(TAUGHT + 10 + 60)
    snapshots = [i for i, cycle in enumerate(first.store.saved) if cycle.snapshots]
    assert len(snapshots) == 2
    assert first.store.saved[snapshots[0]].positions == {"shop": row_ms(TAUGHT + 70 + 6)}

    second = World(first.path, [Cpu()])
    backend = backend_of(second)
    asked: list[asyncio.Task[bool]] = []

    def undone() -> bool:
        if not asked and backend.accepted():
            asked.extend(asyncio.ensure_future(backend.undo(name)) for name in ("nothing", one.id))
        return any(a.undone_ms is not None for a in backend.accepted())

    second.run(until=undone)
    assert [task.result() for task in asked] == [False, True]
    assert not asyncio.run(backend.undo(one.id))
    third = World(first.path, [Cpu()])
    third.run()
    assert [a.id for a in third.pipeline.accepted() if a.undone_ms is not None] == [one.id]
    assert [w.track.started_ms for w in third.pipeline.shards[0].detection.active().tracks] == [row_ms(TAUGHT + 15)]


@pytest.mark.parametrize("size", [1, 50, 1_000])
def test_a_replay_accepts_what_live_would_whatever_the_size_of_batches(size):
    source = Cpu(size=size, events=())
    pipeline = pipeline_of([source])
    replay = Replay(pipeline, blame_db, [DEPLOY])
    times = row_ms(0) + STEP_MS * np.arange(len(source.values))
    number = np.array([source.table.add(SeriesKey("cpu_cores", "cart"), CPU)], np.int32)
    taught = Block(times[:TAUGHT], number, source.values[:TAUGHT])
    replay.take(pipeline.shards[0], Batch(int(times[TAUGHT - 1]), (taught,), history=True))
    for row in range(TAUGHT, len(times), size):
        block = Block(times[row : row + size], number, source.values[row : row + size])
        replay.take(pipeline.shards[0], Batch(int(block.times[-1]), (block,)))
    replay.finish()
    assert [a.accepted_ms for a in pipeline.accepted()] == [row_ms(TAUGHT + 70)]


def test_alerts_are_no_changes():
    pipeline = pipeline_of([Cpu()])
    pipeline.changed([Event("a1", 0, "cart", "alert", status="firing")])
    assert pipeline.shards[0].detection.active().changes == ()
