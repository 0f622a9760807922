"""The role `detect`: the partitions of the samples that a worker owns, from their snapshots on."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from aiops.detection.accepted import Accepted
from aiops.errors import InputError, StoreError
from aiops.kafka.frames import Answer, Edges, Found, pack, unpack
from aiops.kafka.partition import Partition, Setup
from aiops.kafka.records import Bury, Record
from aiops.kafka.status import PartitionStatus
from aiops.stores.workers import accepted_name
from aiops.wire import encode

log = logging.getLogger(__name__)

Send = Callable[[bytes, bytes], Awaitable[None]]
"""Puts a key and a message into a topic; returns when Kafka has it."""


class SnapshotStore(Protocol):
    """Where snapshots of partitions are kept."""

    def snapshot(self, source: str) -> bytes | None:
        """The latest snapshot of that name."""
        ...

    def keep_newer(self, source: str, position: int, snapshot: bytes) -> bool:
        """Keep a snapshot unless a later one is there; tell whether it was kept."""
        ...


@dataclass(frozen=True, slots=True)
class Outlets:
    """Where what is said goes.

    Parameters
    ----------
    found : anomalies and calls, read by triage
    answers : rows that triage asked for
    dead : messages that could not be read, with the reason
    """

    found: Send
    answers: Send
    dead: Bury


@dataclass(slots=True)
class _Owned:
    """What is kept of a partition while it is ours.

    `taken` is the offset of the last message whose effect is in `partition`, None in the middle of taking one in;
    `unsaid` is what there is to say of it that Kafka does not have yet; `tried_s` when saving it was tried last.
    """

    partition: Partition | None = None
    taken: int | None = -1
    unsaid: deque[Found | Edges | Answer] = field(default_factory=deque)
    saved_s: float = 0.0
    tried_s: float = 0.0
    time_ms: int = 0
    accepted: list[Accepted] = field(default_factory=list)
    held: deque[tuple[int, Callable[[], object]]] = field(default_factory=deque)
    busy: asyncio.Lock = field(default_factory=asyncio.Lock)


class DetectWorker:
    """Scores the partitions it is given.

    Parameters
    ----------
    clock : unix seconds
    snapshot_s : between two snapshots of a partition

    Attributes
    ----------
    counts : of "messages", "dead", "snapshots", "restored", "cold"
    """

    def __init__(
        self, setup: Setup, store: SnapshotStore, outlets: Outlets, *, clock: Callable[[], float], snapshot_s: float
    ) -> None:
        self.counts: Counter[str] = Counter(dict.fromkeys(("messages", "dead", "snapshots", "restored", "cold"), 0))
        self._setup, self._store, self._outlets = setup, store, outlets
        self._clock, self._snapshot_s = clock, snapshot_s
        self._owned: dict[int, _Owned] = {}
        self._closed = False

    @property
    def partitions(self) -> dict[int, Partition]:
        """Those that have been read from."""
        return {number: one.partition for number, one in self._owned.items() if one.partition is not None}

    def statuses(self) -> tuple[PartitionStatus, ...]:
        """How each partition is."""
        lag_s = self.lag_s()
        return tuple(one.status(lag_s.get(number, 0.0)) for number, one in self.partitions.items())

    def lag_s(self) -> dict[int, float]:
        """Age of the last message of each partition."""
        now_s = self._clock()
        return {n: max(0.0, now_s - one.time_ms / 1000) for n, one in self._owned.items() if one.time_ms}

    def snapshot_age_s(self) -> dict[int, float]:
        """Time since each partition was saved, or taken up."""
        return {n: self._clock() - one.saved_s for n, one in self._owned.items() if one.partition is not None}

    async def take(self, record: Record) -> None:
        """Take in one message of a partition.

        Raises
        ------
        StoreError : the snapshot to begin with cannot be read now; the message is to come again
        Overloaded : Kafka does not take what there is to say of it; the message is to come again
        """
        if self._closed:
            await asyncio.Event().wait()  # for ever: what comes now is another worker's
        owned = self._owned.setdefault(record.partition, _Owned())
        async with owned.busy:
            if self._owned.get(record.partition) is not owned:
                return  # it was let go meanwhile: the message comes again to whoever has the partition now
            owned.time_ms = max(owned.time_ms, record.time_ms)
            partition = await self._partition(owned, record)
            if owned.taken != record.offset:
                await self._taken_in(owned, partition, record)
            await self._say(owned)
            owned.held.append((record.offset, record.done))
            await self._show_accepted(owned, partition, record.offset + 1)
            if self._clock() - owned.tried_s >= self._snapshot_s:
                await self._save(owned, record.offset + 1)

    async def release(self, *numbers: int) -> None:
        """Save partitions and let go of them: another worker takes them up."""
        for number in numbers:
            if (owned := self._owned.pop(number, None)) is None or owned.partition is None:
                continue
            async with owned.busy:
                # What Kafka has not been told would be lost with a snapshot that knows it: it is found again instead.
                if owned.held and owned.taken == owned.held[-1][0]:
                    await self._save(owned, owned.held[-1][0] + 1)
                await owned.partition.close()

    async def close(self) -> None:
        """Let go of all partitions and take in nothing more."""
        self._closed = True
        await self.release(*self._owned)

    # -- inside

    async def _partition(self, owned: _Owned, record: Record) -> Partition:
        if owned.partition is None:
            owned.partition = await self._taken_up(record)
            owned.saved_s = owned.tried_s = self._clock()
        return owned.partition

    async def _taken_up(self, record: Record) -> Partition:
        data = await asyncio.to_thread(self._store.snapshot, _name(record.partition))
        if data is not None:
            try:
                one = await asyncio.to_thread(Partition.restored, record.partition, self._setup, data)
            except (StoreError, ValueError, LookupError, TypeError) as error:
                log.warning("detectors start cold partition=%d reason=%s", record.partition, error)
            else:
                self.counts["restored"] += 1
                log.info("partition taken up partition=%d series=%d", record.partition, one.series)
                return one
        self.counts["cold"] += 1
        return Partition(record.partition, self._setup, record.time_ms)

    async def _taken_in(self, owned: _Owned, partition: Partition, record: Record) -> None:
        """Let a message have its effect, once: it may come again when what is said of it finds no broker."""
        self.counts["messages"] += 1
        owned.taken = None
        try:
            owned.unsaid.extend(await partition.take(record.offset, record.time_ms, unpack(record.data)))
        except InputError as error:
            self.counts["dead"] += 1
            await self._outlets.dead(record, str(error))
        owned.taken = record.offset

    async def _say(self, owned: _Owned) -> None:
        while owned.unsaid:
            one = owned.unsaid[0]
            outlet = self._outlets.answers if isinstance(one, Answer) else self._outlets.found
            await outlet(str(one.partition).encode(), pack(one))
            owned.unsaid.popleft()

    async def _show_accepted(self, owned: _Owned, partition: Partition, offset: int) -> None:
        """Keep the accepted levels where the API finds them; what an earlier reading knew does not undo a later one."""
        if (accepted := partition.accepted) == owned.accepted:
            return
        data = encode(accepted)
        try:
            await asyncio.to_thread(self._store.keep_newer, accepted_name(partition.number), offset, data)
        except StoreError as error:
            log.warning("accepted levels not kept, tried again partition=%d reason=%s", partition.number, error)
        else:
            owned.accepted = accepted

    async def _save(self, owned: _Owned, offset: int) -> None:
        assert owned.partition is not None
        partition, owned.tried_s = owned.partition, self._clock()
        try:
            data = await asyncio.to_thread(partition.snapshot)
            kept = await asyncio.to_thread(self._store.keep_newer, _name(partition.number), offset, data)
        except StoreError as error:
            log.warning("snapshot not saved, tried again later partition=%d reason=%s", partition.number, error)
            return
        if not kept:
            log.warning("a later snapshot is there: another worker has this partition partition=%d", partition.number)
            return
        self.counts["snapshots"] += 1
        owned.saved_s = owned.tried_s
        again = partition.again_from(offset)
        while owned.held and owned.held[0][0] < again:
            owned.held.popleft()[1]()


def _name(partition: int) -> str:
    return f"samples/{partition}"
