"""The role `triage`: what all partitions say, as one source of the machine that decides; and its questions to them."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from aiops.cases import Past, near_services
from aiops.errors import InputError
from aiops.history import History
from aiops.kafka.frames import Answer, Edges, Found, Question, pack, unpack
from aiops.kafka.records import Bury, Record
from aiops.kafka.status import Cluster, Status
from aiops.model import Block, Incident
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


@dataclass(slots=True)
class _Asked:
    answers: list[Answer] = field(default_factory=list)
    partitions: set[int] = field(default_factory=set)
    whole: asyncio.Event = field(default_factory=asyncio.Event)


class RemotePasts:
    """Asks all partitions for the recent rows that an incident's ranking needs.

    Parameters
    ----------
    partitions : how many there are
    ask : puts a message into a partition of the samples
    timeout_s : partitions that have not answered by then are left out, and the log says so
    """

    def __init__(self, partitions: int, ask: Callable[[int, bytes], Awaitable[None]], timeout_s: float) -> None:
        self._partitions, self._ask, self._timeout_s = partitions, ask, timeout_s
        self._asked: dict[str, _Asked] = {}

    def take(self, answer: Answer) -> None:
        """Take in an answer; one that nobody waits for any more is left."""
        asked = self._asked.get(answer.question)
        if asked is None:
            return
        asked.answers.append(answer)
        asked.partitions.add(answer.partition)
        if len(asked.partitions) == self._partitions:
            asked.whole.set()

    async def of(self, incident: Incident, graph: ServiceGraph, now_ms: int) -> Sequence[Past]:
        """Recent rows of all services near an incident, by the step of their sources."""
        near = near_services(incident, graph)
        far = tuple(sorted(set(graph.services()) - near)) if near else ()
        question = Question(uuid.uuid4().hex, far, now_ms)
        asked = self._asked[question.id] = _Asked()
        try:
            data = pack(question)
            await asyncio.gather(*(self._ask(number, data) for number in range(self._partitions)))
            async with asyncio.timeout(self._timeout_s):
                await asked.whole.wait()
        except TimeoutError:
            missing = sorted(set(range(self._partitions)) - asked.partitions)
            log.warning("ranked without some partitions incident=%s partitions=%s", incident.id, missing)
        finally:
            del self._asked[question.id]
        return [_past(answer) for answer in sorted(asked.answers, key=lambda a: (a.partition, a.step_s))]


def _past(answer: Answer) -> Past:
    table, history = SeriesTable(len(answer.columns)), History(max(1, len(answer.times)))
    for key, signal in answer.columns:
        table.add(key, signal)
    history.append(Block(answer.times, np.arange(len(answer.columns), dtype=np.int32), answer.values))
    return Past(table, history, answer.step_s or 30.0)
