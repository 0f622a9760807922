"""A clock that sleeping moves, and a source that reads a fake server by it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from email.utils import formatdate

from aiops.model import Signal
from aiops.packs import Recipe, Selector
from aiops.series import SeriesTable
from aiops.sources import Batch
from aiops.sources.prometheus import Connection, Patience, PrometheusClient, PrometheusSource, Timing
from tests.sources._fake_prometheus import FakePrometheus, serve

NOW_S = 1_700_000_000.0
STEP_MS = 30_000
NEWEST_MS = int(NOW_S * 1000) // STEP_MS * STEP_MS


class Clock:
    """Wall time in unix seconds; `on_sleep` is told each wait after it is over."""

    def __init__(self, now_s: float = NOW_S) -> None:
        self.now_s = now_s
        self.waits: list[float] = []
        self.on_sleep: Callable[[Clock], None] = lambda _: None

    def __call__(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now_s += seconds
        self.on_sleep(self)
        await asyncio.sleep(0)


def recipe(name: str, **more: object) -> Recipe:
    return Recipe("test", Signal(name, "traffic"), "gauge", Selector(name), **more)  # type: ignore[arg-type]


class World:
    """A fake server whose data ends at the clock's now, and one source that reads it."""

    def __init__(self, fake: FakePrometheus, clock: Clock | None = None) -> None:
        self.fake, self.clock = fake, clock or Clock()
        self.table = SeriesTable()
        self.settings: dict[str, object] = {"timeout_s": 5.0}
        self.recipes = [recipe("load")]
        self.timing = Timing(history_s=0)
        self.patience = Patience(attempts=2, wait_s=1.0)
        self.has_date = False
        self.fake.series["vector(1)"] = [({}, lambda _: "1")]
        self.source: PrometheusSource

    def build(self) -> PrometheusSource:
        connection = Connection(self.fake.url, **self.settings)  # type: ignore[arg-type]
        client = PrometheusClient(connection, patience=self.patience, sleep=self.clock.sleep, rng=random.Random(1))
        self.source = PrometheusSource(
            "prom",
            client,
            self.recipes,
            self.table,
            query_of=lambda r: r.signal.name,
            timing=self.timing,
            clock=self.clock,
            sleep=self.clock.sleep,
            patience=self.patience,
        )
        return self.source

    def read(self, count: int, after: int | None = None) -> list[Batch]:
        """The first batches that the source yields."""
        return asyncio.run(self._take(lambda s: s.read(after), count))

    def replay(self, start_ms: int, end_ms: int) -> list[Batch]:
        return asyncio.run(self._take(lambda s: s.read_range(start_ms, end_ms), None))

    async def _take(self, open_: Callable[[PrometheusSource], object], count: int | None) -> list[Batch]:
        source = self.build()
        batches: list[Batch] = []
        try:
            async with aclosing(open_(source)) as stream:  # type: ignore[type-var]
                async for batch in stream:  # type: ignore[attr-defined]
                    batches.append(batch)
                    if len(batches) == count:
                        break
        finally:
            await source.client.aclose()
        return batches


@contextmanager
def shop() -> Iterator[World]:
    """A world with one signal of two services."""
    fake = FakePrometheus()
    fake.series["load"] = [({"service": "cart"}, lambda t: repr(t % 1000)), ({"service": "db"}, lambda _: "2")]
    stop = serve(fake)
    world = World(fake)
    fake.newest_s = world.clock.now_s
    world.clock.on_sleep = lambda clock: setattr(fake, "newest_s", clock.now_s)
    yield world
    stop()


def regular(batches: list[Batch]) -> bool:
    """Whether every step is there once, in order."""
    times = times_of(batches)
    return times == list(range(times[0], times[-1] + 1, STEP_MS))


def row(batches: list[Batch], time_ms: int) -> list[float]:
    for block in (block for batch in batches for block in batch.blocks):
        if time_ms in block.times:
            return block.values[block.times.tolist().index(time_ms)].tolist()
    raise AssertionError(f"no row {time_ms}")


def http_date(seconds: float) -> str:
    return formatdate(seconds, usegmt=True)


def times_of(batches: list[Batch]) -> list[int]:
    return [t for b in batches for block in b.blocks for t in block.times.tolist()]
