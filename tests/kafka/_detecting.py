"""A worker that detects, over a store of one file, fed with messages as Kafka would give them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from aiops.errors import Overloaded
from aiops.kafka.detect import DetectWorker, Outlets
from aiops.kafka.frames import Message, pack, unpack
from aiops.kafka.records import Record
from aiops.stores.sql import SqlStore
from aiops.stores.workers import PartitionSnapshots
from tests.kafka._log import setup

PARTITIONS = 2


@dataclass
class Detecting:
    """One life of a worker; `told` is what it says, `dead` what it could not read, `done` offsets it needs no more.

    While `is_away`, no broker takes what it says.
    """

    store: SqlStore
    now_s: float = 1_700_000_000.0
    snapshot_s: float = 1e9
    told: list[Message] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)
    done: list[int] = field(default_factory=list)
    offset: int = 0
    is_away: bool = False
    worker: DetectWorker = field(init=False)

    def __post_init__(self) -> None:
        # Rows are told from the first one on, however long ago.
        whole = replace(setup(PARTITIONS), history_s=1e9)
        self.worker = DetectWorker(
            whole,
            PartitionSnapshots(self.store),
            Outlets(self._say, self._say, self._bury),
            clock=lambda: self.now_s,
            snapshot_s=self.snapshot_s,
        )

    async def take(self, partition: int, *messages: Message) -> None:
        """The next messages of a partition."""
        for message in messages:
            await self.take_bytes(partition, pack(message))

    async def take_bytes(self, partition: int, data: bytes) -> None:
        await self.worker.take(self.record(partition, data))

    def record(self, partition: int, data: bytes) -> Record:
        """The next message of a partition, not taken yet."""
        offset, self.offset = self.offset, self.offset + 1
        return Record(
            "samples", partition, offset, round(self.now_s * 1000), data, lambda: self.done.append(offset), {}
        )

    async def _say(self, key: bytes, data: bytes) -> None:  # noqa: ARG002 - as it is called
        if self.is_away:
            raise Overloaded("no broker")
        self.told.append(unpack(data))

    async def _bury(self, record: Record, reason: str) -> None:  # noqa: ARG002 - as it is called
        self.dead.append(reason)
