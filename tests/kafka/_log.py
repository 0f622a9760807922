"""The shop's samples as a log: through a gateway into frames, and from the frames through detectors; no Kafka."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import numpy as np

from aiops.demo.encode import HEADERS, encode_block, key_of
from aiops.demo.exporters import Exporters
from aiops.demo.shop import Shop
from aiops.demo.story import Story, story
from aiops.detection.rules import DetectionRules
from aiops.errors import Overloaded
from aiops.kafka.frames import Edges, Found, Message, unpack
from aiops.kafka.gateway import Gateway, GatewayRules, RoutedSeries
from aiops.kafka.partition import Partition, Setup
from aiops.packs.load import built_in
from aiops.sources.push import PushSettings

MINUTE_MS = 60_000
PACKS = tuple(built_in()[name] for name in ("otel_http", "servicegraph", "kubernetes", "rabbitmq"))
EDGES = tuple(edge for pack in PACKS for edge in pack.edges)


def setup(partitions: int) -> Setup:
    """What the partitions of a shop have in common."""
    rules = DetectionRules()
    return Setup(
        PACKS, EDGES, PushSettings(step_s=60), rules, max_series=10_000, history_s=3600.0, partitions=partitions
    )


@dataclass
class Log:
    """What producers have put into the partitions of the samples: offset, unix ms, message."""

    partitions: int
    now_ms: int = 0
    refuses: bool = False
    messages: dict[int, list[tuple[int, bytes]]] = field(default_factory=dict)

    async def put(self, partition: int, data: bytes) -> None:
        if self.refuses:
            raise Overloaded("no broker")
        self.messages.setdefault(partition, []).append((self.now_ms, data))

    def gateway(self, rules: GatewayRules | None = None) -> Gateway:
        series = RoutedSeries(PACKS, self.partitions, 100_000)
        return Gateway(series, self.put, clock=lambda: self.now_ms / 1000, rules=rules or GatewayRules(linger_s=0))


async def shop_log(plan: Story, partitions: int, until_ms: int) -> Log:
    """The shop up to a time: its past in large bodies, its last forty minutes minute by minute."""
    shop = Shop(seed=7, start_ms=plan.start_ms, faults=plan.faults)
    exporters = Exporters(seed=7, restarts=plan.restarts)
    keys = [key_of(labels) for labels in exporters.labels]
    log, at_ms = Log(partitions), plan.start_ms
    gateway = log.gateway()
    while at_ms <= until_ms:
        size = 60 if at_ms + 60 * MINUTE_MS <= plan.live_ms else 1
        times = at_ms + MINUTE_MS * np.arange(size)
        log.now_ms = int(times[-1])
        await gateway.write(encode_block(keys, times, exporters.read(shop.take(size))), HEADERS)
        at_ms += size * MINUTE_MS
    return log


def plan_of(history_days: int = 3) -> Story:
    """A Wednesday morning."""
    return story(1_794_998_520_000, seed=7, history_days=history_days)


async def fed(partition: Partition, log: Log, start: int = 0, end: int | None = None) -> list[Found | Edges]:
    """What a partition says of a stretch of its log."""
    said = []
    for offset, (time_ms, data) in list(enumerate(log.messages[partition.number]))[start:end]:
        said += await partition.take(offset, time_ms, unpack(data))
    return said


def read(log: Log, partition: int) -> list[Message]:
    """The messages of a partition."""
    return [unpack(data) for _, data in log.messages.get(partition, [])]


def run(story_of):
    return asyncio.run(story_of)
