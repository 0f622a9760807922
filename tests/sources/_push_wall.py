"""A clock that only the test moves, and shortcuts for pushing by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import numpy as np

from aiops.model import Signal
from aiops.packs._recipe import EdgeRule, Pack, Recipe, Selector
from aiops.series import SeriesTable
from aiops.sources._base import Batch
from aiops.sources._pushed_samples import Samples, key_of
from aiops.sources.push import PushSettings, PushSource

T0 = 1_700_000_040_000
"""A whole number of 60 s steps of unix time."""


class ScriptEnded(Exception):
    """The reader waits and the script has no more to say."""


class Wall:
    """Our clock and the reader's waiting, by a script: None lets the wait time out, a call happens during it."""

    def __init__(self, now_ms: int, script: Iterable[Callable[[], object] | None] = ()) -> None:
        self.now_s = now_ms / 1000
        self.script = list(script)

    def __call__(self) -> float:
        return self.now_s

    def move(self, seconds: float) -> None:
        self.now_s += seconds

    async def wait(self, event: asyncio.Event, timeout_s: float) -> bool:
        assert timeout_s > 0
        if event.is_set():
            return True
        if not self.script:
            raise ScriptEnded
        action = self.script.pop(0)
        if action is None:
            self.now_s += timeout_s
            return False
        action()
        return event.is_set()


def series(name: str, **labels: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted({"__name__": name, **labels}.items()))


def samples(*rows: tuple[tuple[tuple[str, str], ...], int, float], stale: Iterable[int] = ()) -> Samples:
    """One series occurrence per row (labels, unix ms, value); `stale`: rows that are stale markers."""
    n = len(rows)
    ended = np.zeros(n, np.bool_)
    ended[list(stale)] = True
    return Samples(
        [key_of(labels) for labels, _, _ in rows],
        np.arange(n, dtype=np.int32),
        np.array([row[1] for row in rows], np.int64),
        np.where(ended, np.nan, np.array([row[2] for row in rows], np.float64)),
        ended,
    )


UP = Recipe("t", Signal("level", "saturation"), "gauge", Selector("level"), service=("job",))
HITS = Recipe("t", Signal("requests_rate", "traffic"), "rate", Selector("hits_total"), service=("job",))
CALLS = EdgeRule("t", Selector("calls_total"), ("client",), ("server",))
PACK = Pack("t", "t", (), (UP, HITS), (CALLS,))


def source_at(wall: Wall, pack: Pack = PACK, history_before_ms: int = 0, limit: int = 1000, **settings) -> PushSource:
    return PushSource(
        [pack],
        SeriesTable(limit),
        PushSettings(**{"step_s": 60.0, **settings}),
        history_before_ms=history_before_ms,
        clock=wall,
        wait=wall.wait,
    )


def read(source: PushSource, after: int | None = None) -> list[Batch]:
    """Everything the source yields until the script ends."""

    async def collect() -> list[Batch]:
        batches: list[Batch] = []
        try:
            async for batch in source.read(after):
                batches.append(batch)  # noqa: PERF401 - what came before the end of the script counts
        except ScriptEnded:
            return batches
        return batches

    return asyncio.run(collect())


def values(source: PushSource, batches: list[Batch]) -> dict[tuple[str, int], float]:
    """Series and tick (in steps of 60 s after T0) to value, NaN left out."""
    found = {}
    for batch in batches:
        for block in batch.blocks:
            for i, time in enumerate(block.times.tolist()):
                for j, number in enumerate(block.ids.tolist()):
                    if not np.isnan(block.values[i, j]):
                        found[str(source.table.key(number)), (time - T0) // 60_000] = float(block.values[i, j])
    return found


def ticks(batches: list[Batch]) -> list[int]:
    """All ticks, in steps of 60 s after T0."""
    return [(time - T0) // 60_000 for batch in batches for block in batch.blocks for time in block.times.tolist()]
