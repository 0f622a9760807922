"""Sources that are pulled: by one worker at a time, into rows for the partitions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import numpy as np

from aiops._health import Health
from aiops.errors import AiopsError, SourceError
from aiops.kafka.frames import pack
from aiops.kafka.leased import Leased
from aiops.kafka.split import SplitRows
from aiops.kafka.status import PullStatus
from aiops.sources import Batch, Source
from aiops.sources._prometheus_health import SourceHealth
from aiops.stores import Cycle
from aiops.stores.sql import SqlStore
from aiops.stores.workers import Leases

log = logging.getLogger(__name__)

AGAIN_S = 5.0  # chosen: wait before a source that failed is begun again


_Failed = tuple[str, int]
"""Why a source could not be read, and since when, unix ms."""


@dataclass(slots=True)
class _Reading:
    """One time that a source is read; `gives` once a batch has come."""

    source: Source
    health: Health
    gives: bool = False

    def status(self, failed: _Failed | None) -> PullStatus | None:
        """What is known of the source, which may have `failed` the last time; None if that is nothing yet."""
        name, said = self.source.name, getattr(getattr(self.source, "found", self.source), "health", None)
        if isinstance(said, SourceHealth) and not said.up and said.last_error:
            self.health.bad(name, said.last_error, since_ms=said.last_success_ms)
        elif self.gives:
            self.health.good(name)
        elif failed is not None:
            self.health.bad(name, failed[0], since_ms=failed[1])
        if (table := self.source.table).refused:
            reason = f"{table.limited_by} is reached: new series were refused {table.refused:,} times"
            self.health.warn(f"series of {name}", reason)
        ill = {part: one for part, one in self.health.conditions().items() if not one.ok}
        if name not in ill and not self.gives:
            return None
        return PullStatus(name, tuple((part, c.reason, c.since_ms, c.is_warning) for part, c in ill.items()))


class LeasedPull:
    """Reads a source while this worker has its lease, from where the last one has put it into Kafka.

    Parameters
    ----------
    make : builds the source anew for each time it is read, and notes there what keeps it from being read
    evict_after_s : a series without a value for so long is let go
    put : puts a message into a partition of the samples; returns when Kafka has it
    """

    def __init__(
        self,
        name: str,
        make: Callable[[Health], Source],
        *,
        store: SqlStore,
        leases: Leases,
        renew_s: float,
        partitions: int,
        evict_after_s: float,
        put: Callable[[int, bytes], Awaitable[None]],
        clock: Callable[[], float],
    ) -> None:
        self.name, self.source = f"pull/{name}", name
        self._make, self._store, self._partitions, self._put, self._clock = make, store, partitions, put, clock
        self._evict_after_s = evict_after_s
        self._reading: _Reading | None = None
        self._failed: _Failed | None = None
        self._gave_values = False
        self._leased = Leased(self.name, self._read, leases=leases, renew_s=renew_s, clock=clock)

    @property
    def is_held(self) -> bool:
        """Whether this worker reads the source now."""
        return self._leased.is_held

    def waits(self) -> bool:
        """Tell whether this worker reads the source and has not had a value of it since it began to."""
        return self._reading is not None and not self._gave_values

    def status(self) -> PullStatus | None:
        """How the source is; None while another worker reads it, or while this one does not know yet."""
        return self._reading.status(self._failed) if self._reading is not None else None

    async def run(self, stop: asyncio.Event) -> None:
        """Read whenever nobody else does, until `stop` is set."""
        await self._leased.run(stop)

    async def _read(self) -> None:
        try:
            while True:
                try:
                    await self._read_once()
                except AiopsError as error:
                    log.warning("pull failed, tried again source=%s reason=%s", self.name, error)
                    # What Kafka or the store did not take is no fault of the source.
                    if isinstance(error, SourceError):
                        since_ms = self._failed[1] if self._failed else round(self._clock() * 1000)
                        self._failed = str(error), since_ms
                await asyncio.sleep(AGAIN_S)
        finally:
            self._reading, self._failed, self._gave_values = None, None, False

    async def _read_once(self) -> None:
        health = Health(self._clock)
        source = self._make(health)
        self._reading = reading = _Reading(source, health)
        split = SplitRows(source, self._partitions, self._evict_after_s)
        after = (await asyncio.to_thread(self._store.positions)).get(self.name)
        async for batch in source.read(after):
            reading.gives, self._failed = True, None
            self._gave_values = self._gave_values or any(np.isfinite(block.values).any() for block in batch.blocks)
            await self._batch(split, batch)

    async def _batch(self, split: SplitRows, batch: Batch) -> None:
        for partition, rows in split.split(batch):
            await self._put(partition, pack(rows))
        await asyncio.to_thread(self._store.commit, Cycle(positions={self.name: batch.position}))
