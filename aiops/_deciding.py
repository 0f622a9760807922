"""The machine that decides, in the worker that Kafka has given the anomalies."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import replace
from functools import partial

from aiops.building.alertmanager import build_silences
from aiops.building.kafka import Parts, build_triage
from aiops.errors import AiopsError, StoreError
from aiops.kafka.deliver import Publisher
from aiops.kafka.pasts import RemotePasts
from aiops.kafka.records import Bury, Record
from aiops.kafka.status import Cluster
from aiops.kafka.topics import ONLY_PARTITION
from aiops.kafka.triage import NAME, FoundSource
from aiops.model import Event
from aiops.notifiers.silences import Silences
from aiops.policy import Policy
from aiops.runners._tending import tend, upkeep_told
from aiops.runners.embedded import Embedded
from aiops.self_watch import SERVICE, part_of
from aiops.stores.sql import SqlStore
from aiops.stores.workers import Leases
from aiops.telemetry import Health
from aiops.triage.state import unpack
from aiops.verdicts import KEPT
from aiops.wire import decode

log = logging.getLogger(__name__)

POLICY_S = 5.0  # chosen: verdicts that other workers have taken down count within that
REPORTED = frozenset({"clock", "detection", "dead letters", "store", NAME})  # the runner says these by itself
WAKE_S = 1.0  # chosen: events that another worker has put into the inbox are seen within that


class Deciding:
    """Runs triage for as long as the anomalies are this worker's, each time from what the store has.

    Parameters
    ----------
    holder : name of this worker
    publisher : makes what announces notifications

    Attributes
    ----------
    health : how the cluster is, for as long as this worker decides
    """

    def __init__(
        self, parts: Parts, holder: str, pasts: RemotePasts, publisher: Callable[[], Publisher], bury: Bury
    ) -> None:
        self._parts, self._pasts, self._publisher, self._bury = parts, pasts, publisher, bury
        self._leases = Leases(parts.store, holder, for_ms=60_000)
        self.health = Health(parts.wall)
        self._cluster = self._new_cluster()
        self._source: FoundSource | None = None
        self._runner: Embedded | None = None
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_ours = False
        self._turn = asyncio.Lock()
        self._tending: list[asyncio.Task[None]] = []
        self._silences: dict[str, Silences] = {}
        self._ill = set[str]()

    @property
    def is_deciding(self) -> bool:
        """Whether triage runs here."""
        return self._task is not None and not self._task.done()

    async def assigned(self, numbers: Collection[int]) -> None:
        """The anomalies are ours: take up what the store has, and make sure that nobody else saves any more.

        Without the store this is tried again every second; messages wait meanwhile. All anomalies are in the one
        partition `ONLY_PARTITION`; whoever is given others, because the topic has got more, has nothing to decide.
        """
        async with self._turn:
            self._is_ours = ONLY_PARTITION in numbers
            await self._go_on()

    async def _go_on(self) -> None:
        """Begin if nothing has begun, or if it has failed."""
        if self._is_ours and not self.is_deciding:
            await self._end()
            await self._begin()

    async def _begin(self) -> None:
        # A store of its own: the lease must not keep the other roles of this worker from writing.
        store = SqlStore(self._parts.store.database)
        try:
            store.lease = await asyncio.to_thread(self._leases.seize, "triage", self._parts.wall_ms())
            self._take_up_faults(store)
            saved = await asyncio.to_thread(store.state, "triage")
        except StoreError as error:
            log.warning("triage not taken yet reason=%s", error)
            return
        self._cluster = self._new_cluster()
        self._source = FoundSource(self._bury, self._cluster)
        if saved is not None:
            # Partitions say their calls once a minute; without them all services would be neighbours until then.
            self._source.edges |= {(caller, callee): seen_ms for caller, callee, seen_ms in unpack(saved)[2].edges()}
        self._silences = build_silences(self._parts.settings, self._parts.base, self._parts.wall_ms)
        parts = replace(self._parts, store=store, health=self.health)
        self._runner = build_triage(parts, self._source, self._pasts, self._publisher(), self._silences)
        self._stop = asyncio.Event()
        self._tending = [asyncio.create_task(self._tend(name, one)) for name, one in self._silences.items()]
        self._task = asyncio.create_task(self._runner.run(self._stop), name="triage")
        self._task.add_done_callback(self._ended)
        self._parts.health.good("triage")
        log.info("triage taken epoch=%d", store.lease.epoch)

    async def revoked(self, numbers: Collection[int]) -> None:
        """They are another worker's: save what was decided and forget the rest."""
        async with self._turn:
            self._is_ours = self._is_ours and ONLY_PARTITION not in numbers
            if not self._is_ours:
                await self._end()

    async def _end(self) -> None:
        if self._task is None:
            return
        task, self._task = self._task, None
        self._stop.set()
        await asyncio.wait({task}, timeout=10.0)
        if not task.done():
            task.cancel()
        with suppress(AiopsError, asyncio.CancelledError):
            await task
        await asyncio.gather(*self._tending, return_exceptions=True)
        for silences in self._silences.values():
            await silences.close()
        if self._source is not None:
            self._source.forget()
        self._source = self._runner = None
        self.health.forget_all()
        self._ill.clear()
        log.info("triage given up")

    async def take(self, record: Record) -> None:
        """A message of the anomalies."""
        if self._source is None:
            raise StoreError("the anomalies have not been taken up yet")
        await self._source.take(record)

    async def event(self, record: Record) -> None:
        """A message of the events: it waits in the inbox from now on."""
        try:
            event = decode(record.data, Event)
        except StoreError as error:
            await self._bury(record, str(error))
        else:
            await asyncio.to_thread(self._parts.store.put_events, [event])
            if self._runner is not None:
                self._runner.wake()
        record.done()

    async def run(self, stop: asyncio.Event, look_s: float = WAKE_S) -> None:
        """Look into the inbox every `look_s`, and whether triage still runs; in the end, save."""
        looked_s = -POLICY_S
        while not stop.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(look_s):
                    await stop.wait()
            async with self._turn:
                await self._go_on()
            if self._runner is not None:
                self._runner.wake()
                self._look(self._runner)
                for incident in self._pasts.to_rank_again():
                    self._runner.pipeline.ask_ranking(incident)
                if self._parts.wall() - looked_s >= POLICY_S:
                    looked_s = self._parts.wall()
                    await self._learn(self._runner)
        await self.revoked((ONLY_PARTITION,))

    def _new_cluster(self) -> Cluster:
        one = self._parts.settings.kafka
        return Cluster(one.partitions, one.session_timeout_s, self._parts.wall_ms())

    def _take_up_faults(self, store: SqlStore) -> None:
        """What the last worker has told people of goes on until it is known to be over."""
        for one in store.incidents(status="open", service=SERVICE):
            if (part := part_of(one)) and part not in REPORTED:
                self.health.bad(part, one.alerts[0].description.removeprefix(f"{part}: "), since_ms=one.started_ms)
                self._ill.add(part)

    def _look(self, runner: Embedded) -> None:
        """What the cluster is blind to becomes part of the health that people are told of."""
        live = [one for one in runner.pipeline.triage.incidents() if one.status != "resolved"]
        faults = self._cluster.faults(self._parts.wall_ms(), {name for one in live for name in one.services})
        if self._cluster.is_judged(self._parts.wall_ms()):
            for part in self._ill - set(faults):
                self.health.good(part)
            self._ill.clear()
        for part, fault in faults.items():
            note = self.health.warn if fault.is_warning else self.health.bad
            note(part, fault.reason, since_ms=fault.since_ms)
        self._ill |= set(faults)

    async def _learn(self, runner: Embedded) -> None:
        try:
            verdicts = await asyncio.to_thread(partial(self._parts.store.verdicts, limit=KEPT))
        except StoreError as error:
            log.warning("verdicts not read reason=%s", error)
        else:
            runner.pipeline.policy = Policy(tuple(verdicts))

    async def _tend(self, name: str, silences: Silences) -> None:
        done = upkeep_told(self._parts.telemetry, self.health)
        await tend(name, silences, self._stop, clock=self._parts.wall_ms, done=done)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if self._task is task and not task.cancelled() and (fault := task.exception()) is not None:
            log.error("triage failed reason=%s", fault, exc_info=fault)
            self.health.bad("triage", str(fault))
