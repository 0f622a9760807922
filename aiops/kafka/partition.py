"""One partition of the samples: its detectors, and what they say.

Rule 1. What is said is a function of the messages and their times alone, so reading them again says the same again:
anomalies are named by series and start, and triage takes a repetition for what it is.
Rule 2. A snapshot holds everything but the windows over which rates are taken. Reading therefore begins again so far
before the snapshot that these fill up; rows that were scored before only fill them.
Rule 3. A snapshot knows what each label set is used for, as long as packs and limits are those it was made with: to
look into them again is nine tenths of what taking up a partition takes. With other packs they are looked into again.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from aiops import __version__
from aiops.cases import MAX_COLUMNS
from aiops.detection.accepted import Accepted
from aiops.detection.active import Active
from aiops.detection.rules import DetectionRules
from aiops.graphs.labels import LabelGraph
from aiops.kafka.frames import Answer, Edges, Found, Frame, Message, Question, Rows, block_of
from aiops.kafka.rosters import Rosters
from aiops.kafka.status import PartitionStatus, SourceStatus
from aiops.kafka.streams import Streams
from aiops.kafka.topics import partition_of
from aiops.kafka.virtual_time import VirtualTime
from aiops.model import I32, I64, Block, Event
from aiops.packs import EdgeRule, Pack
from aiops.pipeline import Shard, pieces
from aiops.runners._seen import ServicesSeen
from aiops.runners._shard_bytes import restore_shard, shard_arrays
from aiops.series import SeriesTable
from aiops.sources import Batch
from aiops.sources.push import PushSettings, PushSource
from aiops.wire import decode, encode, pack_arrays, part_of, prefixed, unpack_arrays

log = logging.getLogger(__name__)

EDGES_EVERY_MS = 60_000  # chosen: as often as the embedded service looks
SAID_EVERY_MS = 1_000  # chosen: how far a partition is, is said so often although nothing was found


@dataclass(frozen=True, slots=True)
class Setup:
    """What all partitions have in common."""

    packs: Sequence[Pack]
    edges: Sequence[EdgeRule]
    push: PushSettings
    rules: DetectionRules
    max_series: int
    history_s: float
    """Rows so much older than the first message of a partition teach and raise nothing."""
    partitions: int
    limited_by: str = "limits.max_series"


@dataclass(slots=True)
class Heard:
    """What a source has given since the partition was taken up.

    Parameters
    ----------
    at_ms : when values came last, by the clock of the messages, unix ms; 0 = never
    position_ms : time of its last row, unix ms
    """

    services: ServicesSeen
    at_ms: int = 0
    position_ms: int = 0


class PulledRows:
    """A `Source` whose rows are pulled elsewhere and come as messages."""

    def __init__(self, name: str, step_s: float, table: SeriesTable) -> None:
        self.name, self.step_s, self.table = name, step_s, table

    async def read(self, after: int | None) -> AsyncIterator[Batch]:  # noqa: ARG002 - the contract's argument
        """Nothing."""
        none: tuple[Batch, ...] = ()
        for batch in none:
            yield batch


class Partition:
    """Everything a worker keeps of one partition. One task at a time may use it.

    Parameters
    ----------
    began_ms : time of its first message, unix ms; kept over restarts

    Attributes
    ----------
    lost : samples whose series was never named
    heard : what each source has given, by its name
    """

    def __init__(self, number: int, setup: Setup, began_ms: int) -> None:
        self.number, self.began_ms = number, began_ms
        self._setup = setup
        self._time = VirtualTime()
        push = PushSource(
            setup.packs,
            SeriesTable(setup.max_series, setup.limited_by),
            setup.push,
            history_before_ms=began_ms - round(setup.history_s * 1000),
            clock=self._time.now_s,
            wait=self._time.wait,
            owns=self._owns,
            evicted=self._forget,
        )
        self._push, self._streams = push, Streams(push.resolve)
        self._shards = {push.name: Shard(push, setup.rules)}
        self._rosters = Rosters()
        self.heard: dict[str, Heard] = {}
        self._graph = LabelGraph("push", setup.edges, push.edges)
        self._said: list[Found] = []
        self._said_ms = self._edges_ms = self._now_ms = 0
        self._has_calls = False
        self._newest: deque[tuple[int, int]] = deque()
        self._closed_ms: int | None = None
        self._reader: asyncio.Task[None] | None = None

    @property
    def lost(self) -> int:
        """Samples whose series was never named."""
        return self._streams.unknown + self._rosters.unnamed

    @property
    def scored_ms(self) -> int | None:
        """Time of the last row of pushed samples that was scored, unix ms; None before the first."""
        return self._closed_ms

    @property
    def series(self) -> int:
        """Watched series."""
        return sum(len(shard.source.table) for shard in self._shards.values())

    @property
    def shards(self) -> list[Shard]:
        """Its sources with their detectors."""
        return list(self._shards.values())

    def status(self, behind_s: float) -> PartitionStatus:
        """How it is; any thread may ask."""
        return PartitionStatus(self.number, behind_s, tuple(self._source(shard) for shard in self.shards))

    @property
    def accepted(self) -> list[Accepted]:
        """Levels that were taken for normal after a change."""
        return [one for shard in self._shards.values() for one in shard.detection.accepted]

    async def take(self, offset: int, time_ms: int, message: Message) -> list[Found | Edges | Answer]:
        """Take in one message; what there is to say of it.

        Parameters
        ----------
        offset : of the message in its partition
        time_ms : when it was sent, unix ms

        Raises
        ------
        InputError : rows of a message are damaged; nothing of it was taken in
        """
        if self._reader is None:
            self._reader = asyncio.create_task(self._read(), name=f"partition {self.number}")
            # It begins before anything is taken in: what comes for ticks that were closed before a restart is late.
            await self._time.move(time_ms / 1000, self._reader)
        self._now_ms, newest_ms = time_ms, 0
        # Before the samples are looked at: to a clock that has not heard of it yet they would be of the future.
        self._time.reached(time_ms / 1000)
        answers: list[Found | Edges | Answer] = []
        match message:
            case Frame():
                newest_ms = self._frame(message)
            case Rows():
                await self._rows(message)
            case Event():
                for shard in self._shards.values():
                    shard.detection.changed([message.service], message.time_ms, message.kind)
            case Question():
                answers += self._answers(message)
            case str():
                for shard in self._shards.values():
                    shard.detection.take_back(message)
        self._newest.append((offset, newest_ms))
        await self._time.move(time_ms / 1000, self._reader)
        return [*self._told(time_ms), *await self._calls(time_ms), *answers]

    async def close(self) -> None:
        """Stop reading."""
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)

    # -- over restarts

    def snapshot(self) -> bytes:
        """Everything but the windows over which rates are taken."""
        arrays: dict[str, NDArray[np.generic]] = {
            "began_ms": np.array([self.began_ms]),
            "closed_ms": np.array([-1 if self._closed_ms is None else self._closed_ms]),
            "meaning": np.frombuffer(_meaning(self._setup), np.uint8),
        }
        sources = [(name, shard.source.step_s, shard.told_ms) for name, shard in self._shards.items()]
        arrays["sources"] = np.frombuffer(encode(sources), np.uint8)
        numbers = {name: shard.detection.numbers() for name, shard in self._shards.items()}
        arrays["rosters"] = np.frombuffer(self._rosters.snapshot(numbers), np.uint8)
        arrays |= prefixed({"streams": self._streams.snapshot(), "push": self._pushed(numbers[self._push.name])})
        for i, shard in enumerate(self._shards.values()):
            arrays |= prefixed({str(i): shard_arrays(shard)})
            # After the arrays, which then hold what was told until now.
            arrays[f"{i}.active"] = np.frombuffer(encode(shard.detection.active()), np.uint8)
        return pack_arrays(arrays)

    def again_from(self, offset: int) -> int:
        """Where reading must begin again after a snapshot that has seen all before `offset`."""
        # What has no pushed samples has no part in their windows; without any of them nothing is ever closed.
        filled_ms = 0 if self._closed_ms is None else self._closed_ms - self._rewind_ms
        while self._newest and self._newest[0][1] <= filled_ms:
            self._newest.popleft()
        return min(offset, self._newest[0][0]) if self._newest else offset

    @classmethod
    def restored(cls, number: int, setup: Setup, data: bytes) -> Partition:
        """What `snapshot` gave, ready to read on.

        Raises
        ------
        StoreError, ValueError, LookupError : another version wrote it, or other settings are in force now
        """
        arrays = unpack_arrays(data)
        one = cls(number, setup, int(arrays["began_ms"][0]))
        closed_ms = int(arrays["closed_ms"][0])
        one._closed_ms = None if closed_ms < 0 else closed_ms
        sources = decode(arrays["sources"].tobytes(), list[tuple[str, float, int]])
        for i, (name, step_s, told_ms) in enumerate(sources):
            shard = one._shard(name, step_s)
            restore_shard(shard, part_of(arrays, str(i)))
            shard.detection.resume(decode(arrays[f"{i}.active"].tobytes(), Active))
            shard.told_ms = told_ms
        one._rosters = Rosters.restored(arrays["rosters"].tobytes())
        is_same = arrays["meaning"].tobytes() == _meaning(setup)
        one._streams.restore(part_of(arrays, "streams"), settled=is_same)
        if is_same:
            pushed = part_of(arrays, "push")
            one._push.restore(pushed, one._streams.keys(len(pushed["raws.seen_ms"])))
        return one

    # -- inside

    def _pushed(self, numbers: I64) -> dict[str, NDArray[np.generic]]:
        anew = np.full(self._push.table.width, -1, np.int32)
        anew[numbers] = np.arange(len(numbers))
        return self._push.snapshot(self._streams.keys(self._push.raw_width), anew)

    def _owns(self, service: str) -> bool:
        return partition_of(service, self._setup.partitions) == self.number

    def _forget(self, gone: I32) -> None:
        self._streams.forget(gone)

    @property
    def _rewind_ms(self) -> int:
        push = self._setup.push
        return push.live_ms + push.lateness_ms + 2 * push.step_ms

    async def _read(self) -> None:
        """Score what the push source closes; rows that fill its windows again were scored before."""
        after_ms = None if self._closed_ms is None else self._closed_ms - self._rewind_ms
        async for batch in self._push.read(after_ms):
            for piece in pieces(batch):
                await self._score(self._shards[self._push.name], piece)
            self._closed_ms = max(self._closed_ms or 0, batch.position)

    async def _score(self, shard: Shard, batch: Batch) -> None:
        found = await asyncio.to_thread(shard.feed, batch)
        if not batch.history:
            shard.ask()
        self._note(shard, batch)
        if found or not self._said or batch.history != self._said[-1].history:
            self._said.append(Found(self.number, batch.position, batch.history, tuple(found)))
        else:
            self._said[-1] = replace(self._said[-1], position=max(self._said[-1].position, batch.position))

    def _note(self, shard: Shard, batch: Batch) -> None:
        heard = self.heard.setdefault(shard.name, Heard(ServicesSeen(shard.source.table, shard.source.step_s)))
        heard.position_ms = max(heard.position_ms, batch.position)
        for block in batch.blocks:
            if len(block.times) and heard.services.note(block):
                heard.at_ms = self._now_ms

    def _source(self, shard: Shard) -> SourceStatus:
        heard, table = self.heard.get(shard.name), shard.source.table
        return SourceStatus(
            shard.name,
            shard.source.step_s,
            heard.at_ms if heard else 0,
            len(table),
            table.refused,
            table.limited_by,
            shard.detection.blind,
            tuple(heard.services.lost().items()) if heard else (),
        )

    def _frame(self, frame: Frame) -> int:
        self._streams.learn(frame.stream, frame.first, frame.names, self._now_ms)
        if not len(frame.numbers):
            return 0
        self._push.take(self._streams.numbers(frame.stream, frame.numbers), frame.times, frame.values)
        return int(frame.times.max())

    async def _rows(self, rows: Rows) -> None:
        block, shard = block_of(rows), self._shard(rows.source, rows.step_s)
        table = shard.source.table
        self._rosters.let_go(rows.source, table)
        known = self._rosters.columns(rows, block, table)
        here = Block(block.times, known[known >= 0], block.values[:, known >= 0])
        for piece in pieces(Batch(rows.position, (here,), history=rows.history, let_go=table.unnamed)):
            await self._score(shard, piece)

    def _shard(self, name: str, step_s: float) -> Shard:
        if name not in self._shards:
            self._shards[name] = Shard(
                PulledRows(name, step_s, SeriesTable(self._setup.max_series, self._setup.limited_by)), self._setup.rules
            )
            for one in self._shards.values():
                one.siblings = tuple(self._shards.values())
        return self._shards[name]

    def _told(self, time_ms: int) -> list[Found]:
        if not any(found.anomalies for found in self._said) and time_ms - self._said_ms < SAID_EVERY_MS:
            return []
        said, self._said = self._said, []
        self._said_ms = time_ms if said else self._said_ms
        return said

    async def _calls(self, time_ms: int) -> list[Edges]:
        # What is not known to depend on each other is one incident: the first calls are said at once.
        if time_ms - self._edges_ms < (EDGES_EVERY_MS if self._has_calls else SAID_EVERY_MS):
            return []
        self._edges_ms = time_ms
        graph = await self._graph.read(time_ms)
        edges = tuple(graph.edges())
        self._has_calls = bool(edges)
        return [Edges(self.number, edges)] if edges else []

    def _answers(self, question: Question) -> list[Answer]:
        shards = [shard for shard in self._shards.values() if len(shard.source.table)]
        answers = [_answer(question, self.number, shard) for shard in shards]
        if not answers:
            return [Answer(question.id, self.number, 0.0, (), np.zeros(0, np.int64), np.zeros((0, 0)))]
        return [replace(answer, number=number, count=len(answers)) for number, answer in enumerate(answers)]


def _meaning(setup: Setup) -> bytes:
    """Changes when a label set may be used for something else than before."""
    used_by = (__version__, setup.packs, setup.push.series, setup.partitions)
    return hashlib.blake2b(repr(used_by).encode(), digest_size=16).digest()


def _answer(question: Question, partition: int, shard: Shard) -> Answer:
    far = frozenset(question.far)
    columns = [one for one in shard.source.table.numbered() if one[1].service not in far]
    times, values = shard.history.window(-(2**62), question.until_ms)
    columns = [one for one in columns[:MAX_COLUMNS] if one[0] < values.shape[1]]
    chosen = values[:, [i for i, _, _ in columns]]
    named = tuple((key, signal) for _, key, signal in columns)
    return Answer(question.id, partition, shard.source.step_s, named, times, chosen)
