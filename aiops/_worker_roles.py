"""What each role of a worker reads, runs beside it, and ends with."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from aiops._deciding import Deciding
from aiops._keeping import Keeping
from aiops._telling import Outlook, Pieces
from aiops.backend import score_rows
from aiops.building.kafka import (
    Parts,
    build_delivery,
    build_gateway,
    build_pulls,
    build_receivers,
    build_setup,
    security,
)
from aiops.errors import InputError, Overloaded
from aiops.kafka.backend import KafkaBackend
from aiops.kafka.deliver import DeliverWorker, Publisher
from aiops.kafka.detect import DetectWorker, Outlets
from aiops.kafka.detect_report import DetectReport
from aiops.kafka.frames import Answer, unpack
from aiops.kafka.gateway import TICK_S, Gateway
from aiops.kafka.inputs import InputReader, Taker
from aiops.kafka.metrics import DeliverMetrics, DetectMetrics, GatewayMetrics
from aiops.kafka.pasts import RemotePasts
from aiops.kafka.producer import Producer
from aiops.kafka.records import Bury, Record
from aiops.kafka.topics import ONLY_PARTITION, Topics
from aiops.sources._pushed_samples import WriteLimits
from aiops.stores.workers import PartitionSnapshots
from aiops.telemetry import Health

if TYPE_CHECKING:
    from aiops.runners.kafka import Connection, Role

log = logging.getLogger(__name__)

Part = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Shared:
    """What all roles of a worker have in common."""

    parts: Parts
    topics: Topics
    producer: Producer
    bury: Bury
    holder: str = field(default_factory=lambda: f"{socket.gethostname()}-{secrets.token_hex(4)}")

    async def put_samples(self, partition: int, data: bytes) -> None:
        """Put a message into a partition of the samples."""
        await self.producer.put(self.topics.samples, data, partition=partition)

    def connection(self) -> Connection:
        """How Faust is to reach Kafka."""
        from aiops.runners.kafka import Connection

        one = self.parts.settings.kafka
        return Connection(one.bootstrap, one.session_timeout_s, security(self.parts.settings, self.parts.base))


@dataclass(frozen=True, slots=True)
class Begun:
    """A role that is ready.

    Parameters
    ----------
    groups : consumers, to be started
    tasks : what runs beside them
    ending : what is done at the end, before the consumers leave
    pieces : what it has to say of itself
    health : how the whole cluster is, as far as this role knows
    """

    groups: Sequence[Role] = ()
    tasks: Sequence[Part] = ()
    ending: Sequence[Part] = ()
    gateway: Gateway | None = None
    pieces: Pieces = field(default_factory=Pieces)
    health: Health | None = None


def begin_gateway(shared: Shared, stop: asyncio.Event) -> Begun:
    """Pushed samples and events, pulls that nobody else has, and topics of others."""
    parts = shared.parts
    gateway = build_gateway(parts, shared.put_samples)
    pulls = build_pulls(parts, shared.holder, shared.put_samples)
    parts.telemetry.registry.register(GatewayMetrics(gateway, pulls))
    for pull in pulls:
        parts.telemetry.add_asked(pull.source, pull.waits)
    readers, groups = _inputs(shared, gateway)

    async def ticks() -> None:
        while not stop.is_set():
            try:
                await gateway.tick()
            except Overloaded as error:
                parts.health.bad("kafka", str(error))
            else:
                parts.health.good("kafka")
            await asyncio.sleep(TICK_S)

    tasks: list[Part] = [ticks, *(partial(pull.run, stop) for pull in pulls)]
    pieces = Pieces(pulls=lambda: tuple(said for pull in pulls if (said := pull.status()) is not None))
    return Begun(groups, tasks, [reader.close for reader in readers], gateway, pieces)


def outlets(shared: Shared) -> Outlets:
    """Where a worker that detects says what it has found, and what it was asked for.

    Always in the same partition, also when somebody adds others to the topics: whoever decides reads no other, and
    whoever waits for an answer would learn of a new one minutes later.
    """

    async def found(key: bytes, data: bytes) -> None:
        await shared.producer.put(shared.topics.anomalies, data, key=key, partition=ONLY_PARTITION)

    async def answers(key: bytes, data: bytes) -> None:
        await shared.producer.put(shared.topics.answers, data, key=key, partition=ONLY_PARTITION)

    return Outlets(found, answers, shared.bury)


def begin_detect(shared: Shared, stop: asyncio.Event) -> Begun:  # noqa: ARG001 - the shape of all roles
    """The partitions of the samples that Kafka gives to this worker."""
    from aiops.runners.kafka import Reading, Role

    parts, topics = shared.parts, shared.topics
    worker = DetectWorker(
        build_setup(parts),
        PartitionSnapshots(parts.store),
        outlets(shared),
        clock=parts.wall,
        snapshot_s=parts.settings.kafka.snapshot_s,
    )

    async def revoked(numbers: Collection[int]) -> None:
        await worker.release(*numbers)

    name = f"{topics.prefix}detect"
    role = Role(name, shared.connection(), Reading(topics.samples, worker.take, revoked=revoked))
    parts.telemetry.registry.register(DetectMetrics(worker, lambda: role.rebalances))
    parts.telemetry.add_scores(
        lambda most: score_rows((shard for one in worker.partitions.values() for shard in one.shards), most)
    )
    report = DetectReport(worker, parts.telemetry, parts.wall_ms)
    return Begun([role], (), [worker.close], pieces=Pieces(detects=worker.statuses, report=report.report))


def begin_triage(shared: Shared, stop: asyncio.Event) -> Begun:
    """What all partitions say, and events; the worker that Kafka gives the anomalies decides, the others wait."""
    from aiops.runners.kafka import Reading, Role

    parts, topics, producer = shared.parts, shared.topics, shared.producer
    partitions = parts.settings.kafka.partitions
    # Half of what triage waits for a ranking: the other half is the ranker's.
    pasts = RemotePasts(partitions, shared.put_samples, parts.settings.triage.rank_timeout_s / 2)

    receivers = tuple(one.name for one in parts.settings.notifiers)

    async def announce(partition: int, key: bytes, data: bytes) -> None:
        await producer.put(topics.notifications, data, partition=partition, key=key)

    deciding = Deciding(
        parts, shared.holder, pasts, lambda: Publisher(parts.store, partitions, announce, receivers), shared.bury
    )

    async def answered(record: Record) -> None:
        try:
            answer = unpack(record.data)
        except InputError as error:
            await shared.bury(record, str(error))
        else:
            if isinstance(answer, Answer):
                pasts.take(answer)
        record.done()

    group = f"{topics.prefix}triage"
    decides = Role(
        group,
        shared.connection(),
        Reading(topics.anomalies, deciding.take, deciding.assigned, deciding.revoked),
        Reading(topics.events, deciding.event),
    )
    # Whoever asks hears all answers: a group of its own, which begins now.
    hears = Role(f"{group}.{shared.holder}", shared.connection(), Reading(topics.answers, answered), from_now=True)

    async def run() -> None:
        await deciding.run(stop)

    return Begun([hears, decides], [run], health=deciding.health)


def begin_deliver(shared: Shared, stop: asyncio.Event) -> Begun:
    """The notifications of the partitions that Kafka gives to this worker; some receivers are one worker's."""
    from aiops.runners.kafka import Reading, Role

    parts, topics = shared.parts, shared.topics
    owned: set[int] = set()
    notifiers = build_receivers(parts)
    keeping = Keeping(parts, shared.holder, notifiers)
    delivery = build_delivery(parts, notifiers, owned, lambda name: name not in keeping.names)
    worker = DeliverWorker(delivery, parts.wall_ms, owned)

    async def announced(record: Record) -> None:
        # The outbox is what counts; this only says that it is worth a look.
        worker.wake()
        keeping.wake()
        record.done()

    async def assigned(numbers: Collection[int]) -> None:
        owned.clear()
        owned.update(numbers)
        worker.wake()

    async def revoked(numbers: Collection[int]) -> None:
        owned.difference_update(numbers)

    for receiver in notifiers:
        parts.telemetry.add_receiver(receiver)
    parts.telemetry.registry.register(DeliverMetrics(worker, delivery, keeping))
    role = Role(
        f"{topics.prefix}deliver", shared.connection(), Reading(topics.notifications, announced, assigned, revoked)
    )
    outlook = Outlook(parts, tuple(notifiers), lambda: {**delivery.failing, **keeping.failing})
    pieces = Pieces(delivers=lambda: tuple(sorted(owned)), report=outlook.look)
    return Begun([role], [partial(worker.run, stop), partial(keeping.run, stop)], [worker.close], pieces=pieces)


def _inputs(shared: Shared, gateway: Gateway) -> tuple[list[InputReader], list[Role]]:
    from aiops.runners.kafka import Reading, Role

    parts, topics = shared.parts, shared.topics
    inputs = parts.settings.kafka.inputs
    if not inputs:
        return [], []
    backend = gateway_backend(shared, gateway)
    taker = Taker(
        samples=gateway.offer,
        write=lambda body: gateway.write(body, {}),
        otlp=lambda body: backend.otlp_metrics(body, {"content-type": "application/x-protobuf"}),
        events=backend.events,
    )
    readers = {one.topic: InputReader(one.format, taker, shared.bury, parts.wall) for one in inputs}
    readings = [Reading(topic, reader.take) for topic, reader in readers.items()]
    return list(readers.values()), [Role(f"{topics.prefix}gateway", shared.connection(), *readings)]


def gateway_backend(shared: Shared, gateway: Gateway | None, cluster: Health | None = None) -> KafkaBackend:
    """The HTTP side's view of a worker."""
    settings = shared.parts.settings
    return KafkaBackend(
        shared.parts.store,
        shared.parts.telemetry,
        shared.parts.health,
        shared.producer,
        shared.topics,
        settings.kafka.partitions,
        WriteLimits(body_bytes=settings.push.max_body_bytes),
        shared.parts.book,
        gateway,
        cluster,
    )
