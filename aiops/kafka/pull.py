"""Sources that are pulled: by one worker at a time, into rows for the partitions."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import numpy as np

from aiops._health import Health
from aiops.errors import AiopsError, SourceError
from aiops.kafka.frames import Rows, pack, rows_of
from aiops.kafka.leased import Leased
from aiops.kafka.status import PullStatus
from aiops.kafka.topics import partition_of
from aiops.model import Block, SeriesKey, Signal
from aiops.sources import Batch, Source
from aiops.sources._prometheus_health import SourceHealth
from aiops.stores import Cycle
from aiops.stores.sql import SqlStore
from aiops.stores.workers import Leases

log = logging.getLogger(__name__)

MOST_VALUES = 500_000  # of a message, 4 MB before compression: chosen, a quarter of what the topic takes
AGAIN_S = 5.0  # chosen: wait before a source that failed is begun again


@dataclass(slots=True)
class _Roster:
    """Which of a source's columns belong to a partition, and how many of them have been named there."""

    columns: list[int]
    said: int = 0


class SplitRows:
    """Blocks of one source as rows for each partition, in one life of a reader."""

    def __init__(self, source: Source, partitions: int) -> None:
        self._source = source
        self._stream = secrets.randbits(63)
        self._rosters = [_Roster([]) for _ in range(partitions)]
        self._places: list[tuple[int, int]] = []

    def split(self, batch: Batch) -> list[tuple[int, Rows]]:
        """The messages of a batch, each with its partition."""
        self._learn()
        return [message for block in batch.blocks for message in self._rows(batch, block)]

    def _learn(self) -> None:
        table = self._source.table
        for number in range(len(self._places), table.width):
            partition = partition_of(table.key(number).service, len(self._rosters))
            roster = self._rosters[partition]
            self._places.append((partition, len(roster.columns)))
            roster.columns.append(number)

    def _rows(self, batch: Batch, block: Block) -> list[tuple[int, Rows]]:
        places = np.array([self._places[i] for i in block.ids.tolist()], np.int32).reshape(-1, 2)
        messages = []
        for partition in np.unique(places[:, 0]).tolist():
            here = places[:, 0] == partition
            rows = max(1, MOST_VALUES // int(np.count_nonzero(here)))
            for start in range(0, len(block.times), rows):
                cut = slice(start, start + rows)
                part = Block(block.times[cut], places[here, 1], block.values[cut][:, here])
                messages.append((partition, self._message(batch, partition, part)))
        return messages

    def _message(self, batch: Batch, partition: int, part: Block) -> Rows:
        roster, table, source = self._rosters[partition], self._source.table, self._source
        new = roster.columns[roster.said :]
        names: tuple[tuple[SeriesKey, Signal], ...] = tuple((table.key(i), table.signal(i)) for i in new)
        first, roster.said = roster.said, len(roster.columns)
        position = int(part.times[-1]) if len(part.times) else batch.position
        return Rows(self._stream, source.name, source.step_s, position, batch.history, first, names, rows_of(part))


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
        ill = {part: one for part, one in self.health.conditions().items() if not one.ok}
        if name not in ill and not self.gives:
            return None
        return PullStatus(name, tuple((part, c.reason, c.since_ms, c.is_warning) for part, c in ill.items()))


class LeasedPull:
    """Reads a source while this worker has its lease, from where the last one has put it into Kafka.

    Parameters
    ----------
    make : builds the source anew for each time it is read, and notes there what keeps it from being read
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
        put: Callable[[int, bytes], Awaitable[None]],
        clock: Callable[[], float],
    ) -> None:
        self.name = f"pull/{name}"
        self._make, self._store, self._partitions, self._put, self._clock = make, store, partitions, put, clock
        self._reading: _Reading | None = None
        self._failed: _Failed | None = None
        self._leased = Leased(self.name, self._read, leases=leases, renew_s=renew_s, clock=clock)

    @property
    def is_held(self) -> bool:
        """Whether this worker reads the source now."""
        return self._leased.is_held

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
            self._reading = self._failed = None

    async def _read_once(self) -> None:
        health = Health(self._clock)
        source = self._make(health)
        self._reading = reading = _Reading(source, health)
        split = SplitRows(source, self._partitions)
        after = (await asyncio.to_thread(self._store.positions)).get(self.name)
        async for batch in source.read(after):
            reading.gives, self._failed = True, None
            await self._batch(split, batch)

    async def _batch(self, split: SplitRows, batch: Batch) -> None:
        for partition, rows in split.split(batch):
            await self._put(partition, pack(rows))
        await asyncio.to_thread(self._store.commit, Cycle(positions={self.name: batch.position}))
