"""One worker on Kafka: the roles it has, begun in order and ended in good order.

gateway    takes what is pushed and reads what is pulled, puts it into topics
detect     scores the partitions of the samples that it is given
triage     decides over what all partitions say; one worker at a time
deliver    sends the notifications of the partitions that it is given
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal, get_args

from aiops._kernels import compile_kernels
from aiops._telling import Telling
from aiops._worker_roles import (
    Begun,
    Part,
    Shared,
    begin_deliver,
    begin_detect,
    begin_gateway,
    begin_triage,
    gateway_backend,
)
from aiops.building.alertmanager import build_silences, build_silencing
from aiops.building.kafka import Parts, check_kafka, security, topic_settings
from aiops.building.slack import signed_apps
from aiops.building.web import web_settings
from aiops.config import Settings
from aiops.errors import AiopsError
from aiops.kafka.producer import Producer
from aiops.kafka.records import DeadLetters
from aiops.kafka.topics import ONLY_PARTITION, Topics, make_topics
from aiops.runners._tasks import cancelled, until
from aiops.stores.place import open_store
from aiops.stores.workers import shared_key
from aiops.telemetry import Health, Telemetry
from aiops.web.app import build_app
from aiops.web.server import serve
from aiops.web.slack import SlackApp

log = logging.getLogger(__name__)

RoleName = Literal["gateway", "detect", "triage", "deliver"]
ROLES: tuple[RoleName, ...] = get_args(RoleName)
GRACE_S = 10.0  # chosen: for requests and the cycle under way; all of an end must fit into Kubernetes' 30 s

_BEGIN = {"gateway": begin_gateway, "detect": begin_detect, "triage": begin_triage, "deliver": begin_deliver}


class Worker:
    """Runs roles until it is told to stop.

    Parameters
    ----------
    roles : at least one
    base : folder that relative file names in the settings start from
    wall : unix seconds

    Raises
    ------
    ConfigError : the settings cannot serve several workers
    StoreError : the store cannot be opened
    """

    def __init__(
        self,
        settings: Settings,
        roles: Sequence[RoleName],
        *,
        base: Path = Path(),
        wall: Callable[[], float] = time.time,
    ) -> None:
        check_kafka(settings)
        one = settings.kafka
        self.roles = tuple(dict.fromkeys(roles))
        self._settings, self._base = settings, base
        self._security = security(settings, base)
        topics = Topics(one.prefix)
        producer = Producer(one.bootstrap, clock=wall, security=self._security)
        health, telemetry = Health(wall), Telemetry(max_score_series=settings.listen.max_score_series, clock=wall)
        store = open_store(settings.store.place, base=base)
        parts = Parts(settings, store, base, health, telemetry, wall)
        self._shared = Shared(parts, topics, producer, DeadLetters(producer, topics.dead_letters))

    async def run(self, stop: asyncio.Event, listening: Callable[[str, int], None] | None = None) -> None:
        """Run until `stop` is set, then finish what is under way, save it, and leave.

        Raises
        ------
        Unavailable : no broker answers at the start
        ConfigError : topics cannot be made as set, or nobody can listen there
        """
        begun: list[Begun] = []
        try:
            await asyncio.to_thread(compile_kernels)
            await make_topics(self._settings.kafka.bootstrap, topic_settings(self._settings), self._security)
            await self._shared.producer.start()
            begun = [_BEGIN[role](self._shared, stop) for role in self.roles]
            await _joined(begun)
            log.info("worker started roles=%s", ",".join(self.roles))
            await self._work(begun, stop, listening)
        finally:
            await self._end(begun)

    async def _work(
        self, begun: list[Begun], stop: asyncio.Event, listening: Callable[[str, int], None] | None
    ) -> None:
        listen, parts = self._settings.listen, self._shared.parts
        gateway = next((one.gateway for one in begun if one.gateway), None)
        backend = gateway_backend(self._shared, gateway, next((one.health for one in begun if one.health), None))
        telling = self._telling(begun)
        parts.telemetry.add_verdicts(parts.verdicts)
        silences = build_silences(self._settings, self._base, parts.wall_ms)
        web = build_app(
            backend,
            # A form may come back to another worker than the one that made it.
            replace(web_settings(self._settings, self._base), form_key=shared_key(parts.store, "forms")),
            telemetry=parts.telemetry,
            clock=parts.wall,
            slack=self._slack_apps(),
            silencing=build_silencing(silences, parts.store, parts.wall_ms, self._settings.verdicts.people),
        )

        async def serve_web() -> None:
            await serve(web, listen.host, listen.port, stop=stop, listening=listening)

        works: list[Part] = [serve_web, partial(telling.run, stop), *(task for one in begun for task in one.tasks)]
        works += [partial(group.watched, stop) for one in begun for group in one.groups]
        tasks = [asyncio.create_task(work()) for work in works]
        try:
            await until(stop, tasks)
        finally:
            stop.set()
            await asyncio.wait(tasks, timeout=GRACE_S)
            await cancelled(tasks, again_s=1.0)
            for one in silences.values():
                await one.close()

    def _telling(self, begun: list[Begun]) -> Telling:
        shared = self._shared

        async def put(key: bytes, data: bytes) -> None:
            await shared.producer.put(shared.topics.anomalies, data, key=key, partition=ONLY_PARTITION)

        return Telling(shared.holder, self.roles, shared.parts, [one.pieces for one in begun], put)

    def _slack_apps(self) -> list[SlackApp]:
        """Where Slack may call: those that take webhooks, and those that have its secrets anyway."""
        if not {"gateway", "deliver"} & set(self.roles):
            return []
        parts = self._shared.parts
        return signed_apps(self._settings, self._base, parts.store, parts.wall_ms)

    async def _end(self, begun: list[Begun]) -> None:
        """Save first, then let Kafka know, then let go."""
        for end in (end for one in begun for end in one.ending):
            try:
                await end()
            except AiopsError as error:
                log.warning("not ended in good order reason=%s", error)
        for group in (group for one in begun for group in one.groups):
            await group.stop()
        await self._shared.producer.stop()
        await asyncio.to_thread(self._shared.parts.store.close)


async def _joined(begun: Sequence[Begun]) -> None:
    """Join the groups of all roles at once, because each waits a second or more; those of a role in their order."""

    async def join(one: Begun) -> None:
        for group in one.groups:
            await group.start()

    outcomes = await asyncio.gather(*(join(one) for one in begun), return_exceptions=True)
    for fault in (one for one in outcomes if isinstance(one, BaseException)):
        raise fault
