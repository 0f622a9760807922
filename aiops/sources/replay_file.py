"""A replay file as a source, and a source put into a replay file."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import AsyncIterator, Iterator
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
        """Yield one batch per frame; rows up to `after` are left out."""
        position = after if after is not None else -(2**62)
        for frame in read_replay(self.path):
            if isinstance(frame, Event):
                position = max(position, frame.time_ms)
                yield Batch(position, events=(frame,))
            elif len(frame.block.times) and frame.block.times[-1] > position:
                position = int(frame.block.times[-1])
                yield Batch(position, (self._numbered(frame),))

    def _numbered(self, frame: ReplayBlock) -> Block:
        pairs = zip(frame.keys, frame.signals, strict=True)
        ids = np.array([self.table.add(key, signal) for key, signal in pairs], np.int32)
        kept = ids >= 0
        return Block(frame.block.times, ids[kept], frame.block.values[:, kept])


async def saved_to(
    path: Path, batches: AsyncIterator[Batch], table: SeriesTable, *, name: str, step_s: float, events: list[Event]
) -> AsyncIterator[Batch]:
    """Pass batches on and write them, and then the events, to a replay file.

    The file appears when all batches have come; until then it has `.part` at its end. History is not written.

    Raises
    ------
    InputError : the file cannot be written
    """
    frames: queue.Queue[ReplayBlock | Event | None] = queue.Queue(FRAMES_WAITING)

    def written() -> Iterator[ReplayBlock | Event]:
        while (frame := frames.get()) is not None:
            yield frame

    writing = asyncio.create_task(asyncio.to_thread(write_replay, path, written(), name=name, step_s=step_s))
    try:
        for event in sorted(events, key=lambda e: (e.time_ms, e.id, e.status)):
            await _put(frames, event, writing)
        async for batch in batches:
            for block in () if batch.history else batch.blocks:
                keys, signals = zip(*((table.key(int(i)), table.signal(int(i))) for i in block.ids), strict=True)
                await _put(frames, ReplayBlock(block, keys, signals), writing)
            yield batch
    finally:
        await _put(frames, None, writing)
        await writing


async def _put(
    frames: queue.Queue[ReplayBlock | Event | None], frame: ReplayBlock | Event | None, writing: asyncio.Task[int]
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
