"""Ways for what happens in a story to come to a triage: in one process, from two shards, and through Kafka."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Self

import yaml

from aiops import config
from aiops._worker_roles import Shared, begin_triage
from aiops.building.kafka import Parts
from aiops.delivery import Delivery
from aiops.graphs.file import FileGraph
from aiops.graphs.merged import GraphKeeper
from aiops.kafka.frames import Found, pack
from aiops.kafka.producer import Producer
from aiops.kafka.records import DeadLetters
from aiops.kafka.topics import Topics, TopicSettings, make_topics, partition_of
from aiops.model import Anomaly, Event
from aiops.pipeline import Pipeline, Shard
from aiops.runners._clock import EventClock
from aiops.runners._pace import Pace
from aiops.runners._saved import Saver
from aiops.runners.embedded import Embedded
from aiops.series import SeriesTable
from aiops.sources import Batch
from aiops.stores.sql import SqlStore
from aiops.telemetry import Health, Telemetry
from aiops.triage import Triage, TriageSettings
from aiops.triage.state import unpack
from aiops.wire import encode
from rca import Case, Ranking, ServiceGraph

FAR_S = 4_000_000_000.0
"""The wall clock of most stories: so far ahead that the story is the past, which is decided on at its own times."""
REFRESH_S = 0.1
Rank = Callable[[Case], Ranking]


@dataclass(frozen=True)
class Told:
    """How late it is for those who are told, unix s, and how old something may be to be told, s."""

    wall_s: float
    max_age_s: float


class GraphFile:
    """A file with a graph, as the settings name one."""

    def __init__(self, path: Path, graph: ServiceGraph) -> None:
        self.path = path
        self.write(graph)

    def write(self, graph: ServiceGraph) -> None:
        """Write it anew."""
        edges: dict[str, list[str]] = {}
        for caller, callee, _ in graph.edges():
            edges.setdefault(caller, []).append(callee)
        self.path.write_text(yaml.safe_dump({"edges": edges}), encoding="utf-8")


def is_drawn(store: SqlStore, graph: ServiceGraph) -> bool:
    """Whether triage has saved that it knows these calls."""
    saved = store.state("triage")
    known = unpack(saved)[2].edges() if saved else ()
    return {edge[:2] for edge in known} == {edge[:2] for edge in graph.edges()}


class Line(Protocol):
    """Brings what happens to a triage; each call returns when its effects are saved."""

    async def draw(self, graph: ServiceGraph, at_ms: int) -> None:
        """From now on these are the calls."""
        ...

    async def tell(self, at_ms: int, anomaly: Anomaly | None = None, event: Event | None = None) -> None:
        """It is so late, and this happens."""
        ...


@dataclass
class Steps:
    """A source of what is put into it."""

    name: str
    step_s: float = 30.0
    table: SeriesTable = field(default_factory=SeriesTable)
    queue: asyncio.Queue[Batch] = field(default_factory=asyncio.Queue)

    async def read(self, after: int | None) -> AsyncIterator[Batch]:  # noqa: ARG002 - the contract's argument
        while True:
            yield await self.queue.get()


class EmbeddedLine:
    """The embedded runner over so many sources; what happens to a service comes from one of them."""

    def __init__(
        self, store: SqlStore, settings: TriageSettings, rank: Rank, *, shards: int, file: GraphFile, told: Told
    ) -> None:
        self.store, self.file = store, file
        self.seen: dict[str, int] = {}
        self.sources = [Steps(f"shard{n}") for n in range(shards)]
        clock = EventClock(lambda: told.wall_s, lambda: 0.0)
        self.runner = Embedded(
            Pipeline([Shard(source) for source in self.sources], Triage(settings)),
            saver=Saver(store, clock.wall_ms, snapshot_s=1e9, keep_days=1e5, saved=self.seen.update),
            delivery=Delivery(store, {}, clock.wall_ms, random.Random(1)),
            graphs=GraphKeeper([FileGraph(file.path)], refresh_s=REFRESH_S),
            rank=rank,
            telemetry=Telemetry(),
            health=Health(),
            clock=clock,
            notify_max_age_s=told.max_age_s,
            pace=Pace(report_s=1e9),
        )

    async def __aenter__(self) -> Self:
        self.stop = asyncio.Event()
        self.task = asyncio.create_task(self.runner.run(self.stop))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop.set()
        await self.task

    async def tell(self, at_ms: int, anomaly: Anomaly | None = None, event: Event | None = None) -> None:
        service = anomaly.series.service if anomaly else event.service if event else ""
        source = self.sources[partition_of(service, len(self.sources))]
        mark = f"{source.name}/0"
        number = self.seen.get(mark, 0) + 1
        found, events = (anomaly,) if anomaly else (), (event,) if event else ()
        await source.queue.put(Batch(at_ms, found=found, events=events, marks={mark: number}))
        await until(lambda: self.seen.get(mark) == number, self.task)

    async def draw(self, graph: ServiceGraph, at_ms: int) -> None:  # noqa: ARG002 - as a line is called
        self.file.write(graph)
        while not await asyncio.to_thread(is_drawn, self.store, graph):
            self.runner.wake()
            await asyncio.sleep(0.02)


class KafkaLine:
    """The worker that decides, behind topics of a real Kafka; its state is in a real PostgreSQL."""

    def __init__(
        self,
        store: SqlStore,
        settings: TriageSettings,
        rank: Rank,
        *,
        bootstrap: str,
        prefix: str,
        file: GraphFile,
        told: Told,
    ) -> None:
        self.store, self.topics, self.file = store, Topics(prefix), file
        self._bootstrap, self._prefix = bootstrap, prefix
        self._told, self._events = -1, 0
        triage = config.TriageSettings(
            group_wait_s=settings.group_wait_s,
            hold_s=settings.hold_s,
            window_s=settings.window_s,
            max_hops=settings.max_hops,
            rank_timeout_s=0.1,
            alert_max_age_hours=settings.max_age_s / 3600,
            notify_max_age_s=told.max_age_s,
        )
        parts = config.Settings(
            kafka=config.KafkaSettings(bootstrap=bootstrap, prefix=prefix, partitions=2, session_timeout_s=6.0),
            store=config.StoreSettings(url="postgresql://not/opened"),
            triage=triage,
            graph=config.GraphSettings(file=str(file.path), refresh_s=REFRESH_S),
            notifiers=[config.ConsoleReceiver(name=name) for name in settings.receivers],
        )
        producer = Producer(bootstrap, clock=lambda: FAR_S)
        self.shared = Shared(
            Parts(parts, store, Path(), Health(), Telemetry(), lambda: told.wall_s, lambda: 0.0, rank),
            self.topics,
            producer,
            DeadLetters(producer, self.topics.dead_letters),
        )

    async def __aenter__(self) -> Self:
        await make_topics(self._bootstrap, TopicSettings(self._prefix, partitions=2))
        await self.shared.producer.start()
        self.stop = asyncio.Event()
        self.begun = begin_triage(self.shared, self.stop)
        for group in self.begun.groups:
            await group.start()
        self.task = asyncio.create_task(self.begun.tasks[0]())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop.set()
        await self.task
        for group in self.begun.groups:
            await group.stop()
        await self.shared.producer.stop()

    async def tell(self, at_ms: int, anomaly: Anomaly | None = None, event: Event | None = None) -> None:
        await self._found(at_ms)
        if event is not None:
            await self.shared.producer.put(self.topics.events, encode(event), key=b"")
            self._events += 1
            await until(lambda: self._heard() == self._events, self.task)
        await self._found(at_ms, *([anomaly] if anomaly else []))

    async def draw(self, graph: ServiceGraph, at_ms: int) -> None:
        self.file.write(graph)
        while not await asyncio.to_thread(is_drawn, self.store, graph):
            await self._found(at_ms)
            await asyncio.sleep(0.02)

    async def _found(self, at_ms: int, *anomalies: Anomaly) -> None:
        await self.shared.producer.put(self.topics.anomalies, pack(Found(0, at_ms, False, anomalies)))
        self._told += 1
        await until(lambda: self.store.positions().get("detect/0", -1) >= self._told, self.task)

    def _heard(self) -> float:
        families = self.shared.parts.telemetry.registry.collect()
        return sum(s.value for family in families for s in family.samples if s.name == "aiops_events_total")


async def until(is_so: Callable[[], bool], task: asyncio.Task[None], limit_s: float = 60.0) -> None:
    """Wait for what a task brings about; what the task fails with."""
    async with asyncio.timeout(limit_s):
        while not is_so():
            if task.done():
                task.result()
            await asyncio.sleep(0.005)
