"""A replay file as a source, and a source put into a replay file."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

from aiops.model import Block, Event
from aiops.series import SeriesTable
from aiops.sources._base import Batch
from aiops.wire import ReplayBlock, read_replay, read_replay_head, write_replay

FRAMES_WAITING = 8  # read but not yet written; chosen, some ten MB


class ReplayFile:
    """Yields the blocks and events of a replay file in its order.

    Raises
    ------
    InputError : the file is missing, damaged or none of ours
    """

    def __init__(self, path: Path, table: SeriesTable) -> None:
        head = read_replay_head(path)
        self.path, self.table = path, table
        self.name, self.step_s = head.name or path.name, head.step_s or 60.0

    async def read(self, after: int | None) -> AsyncIterator[Batch]:
        """Yield one batch per block, with the events that stand before it; rows up to `after` are left out."""
        position, events = after if after is not None else -(2**62), list[Event]()
        for frame in read_replay(self.path):
            if isinstance(frame, Event):
                events.append(frame)
                continue
            block = self._numbered(frame)
            first = int(np.searchsorted(block.times, position, side="right"))
            if first < len(block.times):
                position = int(block.times[-1])
                yield Batch(position, (Block(block.times[first:], block.ids, block.values[first:]),), tuple(events))
                events = []
        if events:
            yield Batch(max(position, *(e.time_ms for e in events)), events=tuple(events))

    def _numbered(self, frame: ReplayBlock) -> Block:
        pairs = zip(frame.keys, frame.signals, strict=True)
        ids = np.array([self.table.add(key, signal) for key, signal in pairs], np.int32)
        kept = ids >= 0
        return Block(frame.block.times, ids[kept], frame.block.values[:, kept])


async def saved_to(
    path: Path, batches: AsyncIterator[Batch], table: SeriesTable, *, name: str, step_s: float, events: list[Event]
) -> AsyncIterator[Batch]:
    """Pass batches on and write the events and them to a replay file.

    The file appears when all batches have come; until then it has `.part` at its end. History is not written.

    Raises
    ------
    InputError : the file cannot be written
    """
    frames: queue.Queue[ReplayBlock | Event | Exception | None] = queue.Queue(FRAMES_WAITING)

    def written() -> Iterator[ReplayBlock | Event]:
        while (frame := frames.get()) is not None:
            if isinstance(frame, Exception):
                raise frame
            yield frame

    writing = asyncio.create_task(asyncio.to_thread(write_replay, path, written(), name=name, step_s=step_s))
    last: Exception | None = _StoppedEarly()
    try:
        for event in sorted(events, key=lambda e: (e.time_ms, e.id, e.status)):
            await _put(frames, event, writing)
        async for batch in batches:
            for frame in _frames(batch, table):
                await _put(frames, frame, writing)
            yield batch
        last = None
    finally:
        await _put(frames, last, writing)
        with suppress(_StoppedEarly):
            await writing


class _StoppedEarly(Exception):
    """Ends the writer without a file: half a period must not look like a whole one."""


def _frames(batch: Batch, table: SeriesTable) -> Iterator[ReplayBlock | Event]:
    yield from batch.events
    for block in () if batch.history else batch.blocks:
        pairs = [(table.key(int(i)), table.signal(int(i))) for i in block.ids]
        yield ReplayBlock(block, tuple(key for key, _ in pairs), tuple(signal for _, signal in pairs))


async def _put(
    frames: queue.Queue[ReplayBlock | Event | Exception | None],
    frame: ReplayBlock | Event | Exception | None,
    writing: asyncio.Task[int],
) -> None:
    """Hand a frame to the writer; raises what ended the writer if it has ended."""
    while True:
        if writing.done():
            writing.result()
            return
        try:
            await asyncio.to_thread(frames.put, frame, timeout=1.0)
        except queue.Full:
            continue
        return
