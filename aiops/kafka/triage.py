"""The role `triage`: what all partitions say, as one source of the machine that decides."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable

from aiops.errors import InputError
from aiops.kafka.frames import Edges, Found, unpack
from aiops.kafka.records import Bury, Record
from aiops.kafka.status import Cluster, Status
from aiops.series import SeriesTable
from aiops.sources import Batch
from rca import ServiceGraph

log = logging.getLogger(__name__)

NAME = "detect"


class FoundSource:
    """A `Source` of anomalies that were found elsewhere; it has no series of its own.

    Parameters
    ----------
    dead : told of messages that cannot be read
    cluster : told how workers say they are

    Attributes
    ----------
    marks : name of a partition of the topic -> offset up to which everything was decided on; set before reading
    """

    name, step_s = NAME, 30.0

    def __init__(self, dead: Bury, cluster: Cluster, room: int = 64) -> None:
        self.table = SeriesTable(0)
        self.marks: dict[str, int] = {}
        self.edges: dict[tuple[str, str], int] = {}
        self._dead, self._cluster = dead, cluster
        self._queue: asyncio.Queue[Batch] = asyncio.Queue(room)
        self._held: deque[tuple[str, int, Callable[[], object]]] = deque()

    async def take(self, record: Record) -> None:
        """Take in a message of the topic; one that was decided on before is let go."""
        mark = f"{NAME}/{record.partition}"
        if record.offset <= self.marks.get(mark, -1):
            record.done()
            return
        said = await self._unpacked(record)
        self._held.append((mark, record.offset, record.done))
        marks = {mark: record.offset}
        if isinstance(said, Found):
            await self._queue.put(Batch(said.position, (), history=said.history, found=said.anomalies, marks=marks))
        elif isinstance(said, Status):
            self._cluster.heard(said, record.time_ms)
            await self._queue.put(Batch(0, marks=marks))
        else:
            self.edges |= {(caller, callee): seen_ms for caller, callee, seen_ms in said.edges}
            await self._queue.put(Batch(0, marks=marks))

    async def _unpacked(self, record: Record) -> Found | Edges | Status:
        try:
            said = unpack(record.data)
        except InputError as error:
            await self._dead(record, str(error))
        else:
            if isinstance(said, Found | Edges | Status):
                return said
            await self._dead(record, f"message: {type(said).__name__} does not belong here")
        return Edges(record.partition, ())

    async def read(self, after: int | None) -> AsyncIterator[Batch]:  # noqa: ARG002 - the log knows where it is
        """Yield what was taken in, in order, for ever."""
        while True:
            yield await self._queue.get()

    def saved(self, positions: Iterable[tuple[str, int]]) -> None:
        """Everything up to these marks is in the store."""
        marks = dict(positions)
        while self._held and self._held[0][1] <= marks.get(self._held[0][0], -1):
            self._held.popleft()[2]()

    def forget(self) -> None:
        """The topic's partition went to another worker, or to another life of this one: nobody waits here any more."""
        self._held.clear()
        # Whoever waits for room would wait for ever: nobody reads here any more.
        while not self._queue.empty():
            self._queue.get_nowait()


class SaidGraph:
    """A `GraphSource`: calls that series of the partitions show."""

    name, whole = NAME, False

    def __init__(self, source: FoundSource) -> None:
        self._source = source

    async def read(self, now_ms: int) -> ServiceGraph:  # noqa: ARG002 - edges carry their own times
        """All calls heard of."""
        graph = ServiceGraph()
        for (caller, callee), seen_ms in list(self._source.edges.items()):
            graph.add(caller, callee, seen_ms)
        return graph
