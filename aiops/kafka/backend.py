"""A worker on Kafka as its HTTP side sees it: what is pushed goes into topics, what is shown comes from the store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from aiops.answers import StoreAnswers
from aiops.detection.accepted import Accepted
from aiops.errors import Overloaded
from aiops.kafka.frames import pack
from aiops.kafka.gateway import Gateway
from aiops.kafka.producer import Producer
from aiops.kafka.topics import Topics
from aiops.model import Event
from aiops.sources._pushed_samples import Samples, Taken, WriteLimits
from aiops.sources._write_headers import Written
from aiops.sources.otlp import OtlpReader
from aiops.stores.sql import SqlStore
from aiops.stores.workers import accepted_levels
from aiops.telemetry import Health, Telemetry
from aiops.triage.state import unpack as unpack_triage
from aiops.verdicts import VerdictBook
from aiops.wire import encode
from rca import ServiceGraph


@dataclass(slots=True)
class KafkaBackend(StoreAnswers):
    """Answers of one worker.

    Parameters
    ----------
    books : gives all verdicts as they are now
    gateway : where pushed samples go; None = this worker is no gateway
    cluster : how all workers together are; None = this worker does not decide
    """

    store: SqlStore
    telemetry: Telemetry
    health: Health
    producer: Producer
    topics: Topics
    partitions: int
    limits: WriteLimits
    books: Callable[[], VerdictBook]
    gateway: Gateway | None = None
    cluster: Health | None = None
    _otlp: OtlpReader = field(init=False)

    def __post_init__(self) -> None:
        self._otlp = OtlpReader(_nowhere, self.limits)

    @property
    def book(self) -> VerdictBook:
        """All verdicts as the store has them now: other workers write some of them."""
        return self.books()

    def ready(self) -> list[str]:
        """What keeps this worker, or the cluster as it sees it, from being ready."""
        return [*self.health.reasons(), *(self.cluster.reasons() if self.cluster else ())]

    def warnings(self) -> list[str]:
        """What somebody should look at."""
        return [*self.health.warnings(), *(self.cluster.warnings() if self.cluster else ())]

    direct_write = None
    """Kafka is waited for."""

    async def write(self, body: bytes, headers: Mapping[str, str]) -> Written:
        """Take a remote_write request; Kafka has it when this returns."""
        return await self._gateway().write(body, headers)

    async def otlp_metrics(self, body: bytes, headers: Mapping[str, str]) -> Taken:
        """Take an OTLP request; Kafka has it when this returns."""
        gateway = self._gateway()
        request = self._otlp.read(body, headers)
        try:
            await gateway.offer(request.samples)
        except BaseException:
            request.refused()
            raise
        request.taken()
        return request.answer

    async def events(self, events: list[Event]) -> None:
        """Put events into their topic, and changes before all detectors; Kafka has them when this returns."""
        for event in events:
            await self.producer.put(self.topics.events, encode(event), key=event.service.encode())
            if event.kind != "alert":
                change = pack(event)
                puts = (self.producer.put(self.topics.samples, change, partition=p) for p in range(self.partitions))
                await asyncio.gather(*puts)

    def accepted(self) -> list[Accepted]:
        """Levels that were taken for normal after a change, latest first, as those who detect have last said."""
        found = [one for levels in accepted_levels(self.store).values() for one in levels]
        return sorted(found, key=lambda one: (-one.accepted_ms, one.id))

    async def undo(self, accepted_id: str) -> bool:
        """Put an undo into the partition of the level; False if there is nothing of that id to undo."""
        for partition, levels in (await asyncio.to_thread(accepted_levels, self.store)).items():
            if any(one.id == accepted_id and one.undone_ms is None for one in levels):
                await self.producer.put(self.topics.samples, pack(accepted_id), partition=partition)
                return True
        return False

    def graph(self) -> ServiceGraph:
        """The service graph that triage used last."""
        saved = self.store.state("triage")
        return unpack_triage(saved)[2] if saved is not None else ServiceGraph()

    def _gateway(self) -> Gateway:
        if self.gateway is None:
            # Not wrong for good: behind a load balancer the next attempt may reach a gateway.
            raise Overloaded("this worker is no gateway: send samples to one that runs with --role gateway")
        return self.gateway


def _nowhere(samples: Samples) -> None:
    """Samples are taken by the gateway, which is waited for."""
    raise NotImplementedError
