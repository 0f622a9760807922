"""A shop of two services in which the database gets slow, and all that is needed to run the service on it."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from aiops.delivery import Delivery
from aiops.errors import StoreError
from aiops.graphs.merged import GraphKeeper
from aiops.model import Block, Event, Incident, Notification, SeriesKey, Signal
from aiops.notifiers import Receipt
from aiops.pipeline import Pipeline, Shard
from aiops.runners._clock import EventClock
from aiops.runners._pace import Pace
from aiops.runners._saved import Saver
from aiops.runners.embedded import Embedded
from aiops.series import SeriesTable
from aiops.sources import Batch, Source
from aiops.stores import Cycle, Received
from aiops.stores.sql import SqlStore
from aiops.stores.sqlite import open_sqlite
from aiops.telemetry import Health, Telemetry
from aiops.triage import Triage, TriageSettings
from aiops.wire import encode
from rca import Case, Ranking, ServiceGraph, Suspect

STEP_MS = 30_000
START_MS = 1_700_000_000_000 // STEP_MS * STEP_MS
TAUGHT = 720
ROWS = 100
FAULT = slice(TAUGHT + 30, TAUGHT + 50)
END_MS = START_MS + STEP_MS * (TAUGHT + ROWS - 1)
LIVE_MS = START_MS + STEP_MS * TAUGHT
"""First row that is no history."""
QUICK = Pace(tick_s=0.005, report_s=0.005, source_s=0.0, store_s=0.001, longest_store_s=0.01)
LATENCY = Signal("latency_p95", "latency", "s", "up", pages=True, min_absolute=0.05, min_relative=0.2)
SERIES = tuple((SeriesKey("latency_p95", service), LATENCY) for service in ("cart", "db"))
GRAPH = ServiceGraph([("cart", "db")])


def shop_values(seed: int = 1, faults: Sequence[slice] = (FAULT,)) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = np.array([0.2, 0.02]) * (1 + 0.03 * rng.standard_normal((TAUGHT + ROWS, 2)))
    for fault in faults:
        values[fault] = [2.0, 1.5]
    return values


def row_ms(row: int) -> int:
    return START_MS + STEP_MS * row


async def at_once(_: int) -> None:
    """Do not wait."""


async def eventually(is_true: Callable[[], object], limit_s: float = 300.0) -> None:
    """Let the other tasks go on until it is true; the limit leaves room for a first compilation of the kernels."""
    async with asyncio.timeout(limit_s):
        while not is_true():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.001)


@dataclass
class Feed:
    """A source of known rows, `size` at a time; `ready` is waited for before each batch, told the time of its end."""

    values: np.ndarray = field(default_factory=shop_values)
    name: str = "shop"
    step_s: float = STEP_MS / 1000
    table: SeriesTable = field(default_factory=SeriesTable)
    size: int = 7
    events: Sequence[Event] = ()
    faults: list[Exception] = field(default_factory=list)
    ready: Callable[[int], Awaitable[None]] = at_once
    shift_ms: int = 0
    asked: list[int | None] = field(default_factory=list)

    async def read(self, after: int | None) -> AsyncIterator[Batch]:
        self.asked.append(after)
        ids = np.array([self.table.add(*one) for one in SERIES], np.int32)
        row = 0 if after is None else (after - START_MS - self.shift_ms) // STEP_MS + 1
        while row < len(self.values):
            is_history = row < TAUGHT
            end = TAUGHT if is_history else min(row + self.size, len(self.values))
            if not is_history and self.faults:
                raise self.faults.pop(0)
            times = START_MS + self.shift_ms + STEP_MS * np.arange(row, end)
            await self.ready(int(times[-1]))
            events = tuple(e for e in self.events if times[0] <= e.time_ms <= times[-1])
            yield Batch(int(times[-1]), (Block(times, ids, self.values[row:end]),), events, history=is_history)
            row = end


@dataclass
class Wall:
    now_s: float = END_MS / 1000 + 300

    def __call__(self) -> float:
        return self.now_s

    def move(self, seconds: float) -> None:
        self.now_s += seconds


@dataclass
class Pager:
    """A receiver that notes what it is told."""

    heard: list[Notification] = field(default_factory=list)

    async def send(self, notification: Notification) -> Receipt:
        self.heard.append(notification)
        return Receipt()

    async def close(self) -> None:
        """Nothing to let go of."""


class Killed(Exception):
    """The process is gone: nothing after this is saved."""


@dataclass
class MoodyStore:
    """A store whose commits number `fails` fail, and which dies before commit `dies`; counted from 1.

    `failures` says how often each of its other methods fails at first.
    """

    store: SqlStore
    fails: frozenset[int] = frozenset()
    dies: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    inbox_limit: int = 10_000
    commits: int = 0
    saved: list[Cycle] = field(default_factory=list)
    on_commit: Callable[[Cycle], None] = lambda _: None

    def commit(self, cycle: Cycle) -> None:
        self.commits += 1
        if self.commits == self.dies:
            raise Killed
        if self.commits in self.fails:
            raise StoreError("disk is full")
        self.store.commit(cycle)
        self.saved.append(cycle)
        self.on_commit(cycle)

    def inbox(self) -> list[Received]:
        self._fail("inbox")
        return self.store.inbox(self.inbox_limit)

    def counts(self) -> dict[str, int]:
        self._fail("counts")
        return self.store.counts()

    def waiting(self) -> dict[str, int]:
        self._fail("waiting")
        return self.store.waiting()

    def _fail(self, what: str) -> None:
        if self.failures[what] > 0:
            self.failures[what] -= 1
            raise StoreError("disk cannot be read")

    def __getattr__(self, name: str) -> object:
        return getattr(self.store, name)


def blame_db(case: Case) -> Ranking:
    return Ranking((Suspect("db", "latency_p95", 1.0, 0.9, path=("db", "cart")),), unknown=False)


def pipeline_of(sources: Sequence[Source], triage: Triage | None = None, graph: ServiceGraph = GRAPH) -> Pipeline:
    pipeline = Pipeline([Shard(source) for source in sources], triage or Triage())
    pipeline.triage.graph = graph
    return pipeline


@dataclass
class World:
    """One life of the service on a store that outlives it."""

    path: Path
    sources: list[Feed] = field(default_factory=lambda: [Feed()])
    wall: Wall = field(default_factory=Wall)
    pager: Pager = field(default_factory=Pager)
    rank: Callable[[Case], Ranking] = blame_db
    fails: frozenset[int] = frozenset()
    dies: int = 0
    snapshot_s: float = 1e9
    muted_after_s: float = 7200.0
    triage: TriageSettings = field(default_factory=lambda: TriageSettings(receivers=("pager",)))
    inbox_limit: int = 10_000
    failures: dict[str, int] = field(default_factory=dict)
    opened: list[Incident] = field(default_factory=list)
    graph: ServiceGraph = field(default_factory=lambda: GRAPH)

    def __post_init__(self) -> None:
        self.stop = asyncio.Event()
        self.telemetry, self.health = Telemetry(clock=self.wall), Health(self.wall)
        self.store = MoodyStore(open_sqlite(self.path), self.fails, self.dies, Counter(self.failures), self.inbox_limit)
        self.attach(*self.sources)

    def attach(self, *sources: Source) -> None:
        """Build the runner, for these sources."""
        self.pipeline = pipeline_of(sources, Triage(self.triage), self.graph)
        clock = self.clock = EventClock(self.wall)
        self.runner = Embedded(
            self.pipeline,
            saver=Saver(self.store, clock.wall_ms, snapshot_s=self.snapshot_s, keep_days=90),  # type: ignore[arg-type]
            delivery=Delivery(self.store, {"pager": self.pager}, clock.wall_ms, random.Random(1)),  # type: ignore[arg-type]
            graphs=GraphKeeper([Declared(self.graph)]),
            rank=self.rank,
            telemetry=self.telemetry,
            health=self.health,
            clock=clock,
            notify_max_age_s=self.muted_after_s,
            opened=self.opened.append,
            pace=QUICK,
        )

    def run(self, until: Callable[[], bool] | None = None) -> None:
        """Run until all rows are saved and told, or until `until` says so."""

        async def watch() -> None:
            await eventually(lambda: (until or self.is_done)() or self.stop.is_set())
            self.stop.set()

        try:
            asyncio.run(self.runner.run(self.stop, watch))
        finally:
            self.store.close()

    def is_done(self) -> bool:
        ends = {s.name: row_ms(len(s.values) - 1) + s.shift_ms for s in self.sources}
        saved = self.store.positions()
        return all(saved.get(name) == end for name, end in ends.items()) and not self.store.store.counts()["outbox"]

    def metric(self, name: str) -> float:
        lines = self.telemetry.render().decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))


@dataclass
class Declared:
    """A source of a known graph."""

    graph: ServiceGraph
    name: str = "declared"
    whole: bool = True

    async def read(self, now_ms: int) -> ServiceGraph:  # noqa: ARG002 - the contract's argument
        return self.graph


def outcome(path: Path) -> tuple[list[bytes], list[str]]:
    """Everything that is left in a store: incidents and keys of notifications, done or not."""
    store = open_sqlite(path, read_only=True)
    incidents = [encode(replace(i, ranking=Ranking())) for i in store.incidents()]
    keys = [key for (key,) in store.database.rows("SELECT key FROM outbox ORDER BY key")]
    store.close()
    return incidents, keys


def saved_incidents(path):
    store = open_sqlite(path, read_only=True)
    incidents = store.incidents()
    store.close()
    return incidents


def bare(incidents):
    """Without the detectors' words, which speak of the end of a batch."""
    return [
        replace(i, anomalies=tuple(replace(a, detectors=(), explanation="") for a in i.anomalies)) for i in incidents
    ]


def alert(name="a1", time_ms=END_MS, service="cart", status="firing", source="alertmanager"):
    return Event(name, time_ms, service, "alert", "too slow", source=source, status=status)
