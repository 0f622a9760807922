"""The role `gateway`: pushed samples into frames; a sender is answered once Kafka has them.

Rule 1. All raw series that make up a watched series must meet in one partition: a series goes to the partitions of the
services of the signals it is used for, mostly one. What no signal pack uses is dropped here and counted.
Rule 2. Requests of a moment share frames. If any of their frames is not taken, all of them are told to come again;
what is then there twice has the same time and counts once.
Rule 3. Series are numbered in a stream. Once most of them have been silent for long, all are forgotten and a new stream
is begun, in which those that come are named: so neither this gateway nor its readers remember pods of last month.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from aiops.errors import Overloaded
from aiops.kafka.frames import Frame, pack
from aiops.kafka.linger import Linger
from aiops.kafka.topics import partition_of
from aiops.model import F64, I32, I64, Bools, Labels
from aiops.packs import Pack
from aiops.sources._fingerprint import U64
from aiops.sources._numbering import numbers_of
from aiops.sources._pushed_samples import Samples, SharedPairs, WriteLimits, key_of
from aiops.sources._pushed_watch import Watchlist
from aiops.sources._series_index import SeriesIndex
from aiops.sources._write_headers import Written
from aiops.sources.remote_write import STALE_BITS, WriteReader

log = logging.getLogger(__name__)

UNWATCHED, SERIES_LIMIT = -1, -2
NAMES_PER_FRAME = 20_000  # chosen: about 3 MB of labels, a tenth of that on the wire
SAMPLES_PER_FRAME = 64_000  # chosen: about 200 kB; larger ones are no cheaper
LISTEN_S = 300.0  # chosen: senders that are there send at least so often
FEW_GONE = 10_000  # chosen: fewer series that are remembered in vain cost nothing
TICK_S = 1.0  # chosen: detectors of a partition without samples hear so often how late it is

Put = Callable[[int, bytes], Awaitable[None]]
"""Puts a message into a partition of the samples; returns when Kafka has it."""


@dataclass(frozen=True, slots=True)
class GatewayRules:
    """How requests become frames.

    Parameters
    ----------
    linger_s : requests of so long share frames, unless all senders wait already
    most_samples : samples that are not in Kafka yet; beyond it senders are told to come again
    say_again_s : names of series are said again after so long
    max_series : that are told apart in one stream
    gone_after_s : so often it is looked which series are there; those without a sample in the last `LISTEN_S` may be
        forgotten
    """

    linger_s: float = 0.05
    most_samples: int = 4_000_000
    say_again_s: float = 300.0
    max_series: int = 10_000_000
    gone_after_s: float = 3600.0


class RoutedSeries:
    """Numbers for label sets, for the whole gateway and for each partition; a `Numbering`."""

    def __init__(self, packs: Iterable[Pack], partitions: int, max_series: int) -> None:
        self.index = SeriesIndex()
        self.names: list[list[bytes]] = [[] for _ in range(partitions)]
        self._homes: I32 = np.full((1, 1024), -1, np.int32)
        self._places: I32 = np.full((1, 1024), -1, np.int32)
        self._watch = Watchlist(packs)
        self._max_series = max_series
        self._numbers: dict[Labels, int] = {}
        self._pairs = SharedPairs()

    def __len__(self) -> int:
        return len(self._numbers)

    def number(self, labels: Labels) -> int:
        """The number of a label set, below 0 for one that nobody watches or that is over the limit."""
        if (number := self._numbers.get(labels)) is not None:
            return number
        partitions = self._partitions(dict(labels))
        if not partitions:
            return UNWATCHED
        if len(self._numbers) >= self._max_series:
            return SERIES_LIMIT
        number = self._numbers[self._pairs.labels(labels)] = len(self._numbers)
        self._make_room(number + 1, len(partitions))
        name = key_of(labels)
        for i, partition in enumerate(partitions):
            self._homes[i, number], self._places[i, number] = partition, len(self.names[partition])
            self.names[partition].append(name)
        return number

    def parted(self, numbers: I32) -> Iterator[tuple[int, I32, I64]]:
        """Who gets which of some samples.

        Parameters
        ----------
        numbers : (k,) of series, 0 and up

        Yields
        ------
        a partition, the numbers of series there, and which of the samples these are
        """
        homes = self._homes[:, numbers].ravel().astype(np.int16)
        places = self._places[:, numbers].ravel()
        # A stable sort of 16 bits is a radix sort, 5 ns a sample.
        order = np.argsort(homes, kind="stable")
        ends = np.cumsum(np.bincount(homes + 1, minlength=len(self.names) + 1)).tolist()
        for partition, (start, end) in enumerate(itertools.pairwise(ends)):
            if end > start:
                here = order[start:end]
                yield partition, places[here], here % len(numbers)

    def remember(self, prints: U64, sizes: I32, numbers: I32) -> None:
        """Put fingerprints into the index, as many as have room."""
        room = max(0, 2 * self._max_series - len(self.index))
        self.index.add(prints[:room], sizes[:room], numbers[:room])

    def begin_anew(self) -> None:
        """Forget all series. Who still holds `names` of before keeps them."""
        self.index.remove(np.ones(len(self.index.numbers()), np.bool_))
        self.names = [[] for _ in self.names]
        self._homes.fill(-1)
        self._places.fill(-1)
        self._numbers, self._pairs = {}, SharedPairs()

    def _make_room(self, numbers: int, homes: int) -> None:
        """A second home costs as much again for all, but few series have one: those of calls between two services."""
        rows, columns = self._homes.shape
        if numbers > columns or homes > rows:
            grown = ((0, max(0, homes - rows)), (0, columns if numbers > columns else 0))
            self._homes = np.pad(self._homes, grown, constant_values=-1)
            self._places = np.pad(self._places, grown, constant_values=-1)

    def _partitions(self, labels: dict[str, str]) -> list[int]:
        services = {use.key.service for use in self._watch.uses(labels)}
        services |= set(self._watch.callers(labels))
        return sorted({partition_of(service, len(self.names)) for service in services})


@dataclass(slots=True)
class _Stream:
    """One numbering of series: the names by partition, and how many of them were said there."""

    names: list[list[bytes]]
    said: list[int]
    id: int = field(default_factory=lambda: secrets.randbits(63))

    @classmethod
    def of(cls, names: list[list[bytes]]) -> _Stream:
        """One in which nothing has been said."""
        return cls(names, [0] * len(names))

    def say_again(self) -> None:
        """Nothing is known to have been heard."""
        self.said = [0] * len(self.said)


@dataclass(slots=True)
class _Gathered:
    """What requests of a moment have brought."""

    numbers: list[I32] = field(default_factory=list)
    times: list[I64] = field(default_factory=list)
    values: list[F64] = field(default_factory=list)

    def joined(self) -> tuple[I32, I64, F64]:
        """All of it."""
        return np.concatenate(self.numbers), np.concatenate(self.times), np.concatenate(self.values)


class Gateway:
    """Turns requests into frames.

    Parameters
    ----------
    put : puts a message into a partition
    clock : unix seconds

    Attributes
    ----------
    counts : samples by what became of them
    """

    def __init__(
        self,
        series: RoutedSeries,
        put: Put,
        *,
        clock: Callable[[], float],
        rules: GatewayRules | None = None,
        limits: WriteLimits | None = None,
    ) -> None:
        self.counts: Counter[str] = Counter(
            dict.fromkeys(("received", "sent", "unwatched", "series_limit", "refused"), 0)
        )
        self.series = series
        self._put, self._clock, self._rules = put, clock, rules or GatewayRules()
        self._limits = limits or WriteLimits()
        self._reader = WriteReader(series, self._limits)
        self._stream = _Stream.of(series.names)
        self._gathered = _Gathered()
        self._is_there: Bools = np.zeros(1024, np.bool_)
        self._said_again_s = self._looked_s = clock()
        self._heard_s = [0.0] * len(series.names)
        self._linger = Linger(self._rules.linger_s)
        self._sending = asyncio.Lock()
        self._waiting = 0
        self._flush: asyncio.Task[None] | None = None

    async def write(self, body: bytes | memoryview, headers: Mapping[str, str]) -> Written:
        """Take in a remote_write request; Kafka has its samples when this returns.

        Raises
        ------
        UnsupportedMedia, InputError : wrong for good (415, 400)
        Overloaded : too much waits, or Kafka has not taken it: the sender is to come again (503)
        """
        self._make_room(1)
        got = self._reader.read(body, headers)
        self.counts.update({f"skipped_{what}": count for what, count in got.skipped.items() if count})
        count = len(got.times)
        await self._sent(got.numbers, got.times, got.values)
        return Written(got.version, count)

    async def offer(self, samples: Samples) -> None:
        """Take in decoded samples; Kafka has them when this returns. Raises as `write`."""
        self._make_room(len(samples.times))
        values = samples.values.copy()
        values.view(np.uint64)[samples.stale] = STALE_BITS
        numbers = numbers_of(samples.keys, self.series, self._limits)
        await self._sent(numbers[samples.series], samples.times, values)

    async def tick(self) -> None:
        """Tell partitions that have heard nothing lately how late it is; to be called once a second."""
        now_s = self._clock()
        if now_s - self._said_again_s >= self._rules.say_again_s:
            self._said_again_s = now_s
            self._stream.say_again()
        quiet = [p for p, heard_s in enumerate(self._heard_s) if now_s - heard_s >= TICK_S]
        await asyncio.gather(*(self._put(partition, pack(None)) for partition in quiet))

    # -- inside

    def _make_room(self, count: int) -> None:
        if self._waiting + count > self._rules.most_samples:
            self.counts["refused"] += count
            raise Overloaded(f"{self._waiting} samples are on their way to Kafka already")

    async def _sent(self, numbers: I32, times: I64, values: F64) -> None:
        self.counts["received"] += len(times)
        held = numbers >= 0
        if not held.all():
            self.counts["unwatched"] += int(np.count_nonzero(numbers == UNWATCHED))
            self.counts["series_limit"] += int(np.count_nonzero(numbers == SERIES_LIMIT))
            numbers, times, values = numbers[held], times[held], values[held]
        if not len(times):
            return
        self._waiting += len(times)
        self._linger.came()
        try:
            self._gather(numbers, times, values)
            if self._flush is None:
                self._flush = asyncio.create_task(self._flushed())
            # Shielded: a sender that hangs up must not take the others' frames with it.
            await asyncio.shield(self._flush)
            self.counts["sent"] += len(times)
        finally:
            self._waiting -= len(times)

    def _gather(self, numbers: I32, times: I64, values: F64) -> None:
        # Copied, because the reader's arrays are overwritten by the next request.
        one = self._gathered
        one.numbers.append(numbers.copy())
        one.times.append(times.copy())
        one.values.append(values.copy())

    async def _flushed(self) -> None:
        await self._linger.over()
        # One at a time: a frame must not overtake the one that names its series, and the more comes while Kafka takes
        # one, the larger and cheaper the next ones are.
        async with self._sending:
            self._flush = None
            self._linger.sent()
            gathered, self._gathered = self._gathered, _Gathered()
            numbers, times, values = gathered.joined()
            parts = [(p, local, times[of], values[of]) for p, local, of in self.series.parted(numbers)]
            stream = self._stream
            # Just now nobody else holds numbers: what is gathered from here on may be numbered anew.
            self._forget_gone(numbers)
            came_of = await asyncio.gather(*(self._frames(stream, *part) for part in parts), return_exceptions=True)
            self._linger.answered()
            for fault in (one for one in came_of if isinstance(one, BaseException)):
                # Names that were in a frame that is lost are not known there.
                stream.say_again()
                raise fault

    def _forget_gone(self, numbers: I32) -> None:
        """Begin a new stream if most series of this one are gone; `numbers` are there."""
        now_s, count = self._clock(), len(self.series)
        if count > len(self._is_there):
            self._is_there = np.pad(self._is_there, (0, count))
        passed_s = now_s - self._looked_s
        # A tenth of what parting the samples costs, and more than they are worth all the time.
        if passed_s >= self._rules.gone_after_s - LISTEN_S:
            self._is_there[numbers] = True
        if passed_s < self._rules.gone_after_s:
            return
        self._looked_s, there = now_s, int(np.count_nonzero(self._is_there[:count]))
        self._is_there.fill(False)
        if count - there > there + FEW_GONE:
            log.info("series forgotten gone=%d, the %d that are there are named anew", count - there, there)
            self.series.begin_anew()
            self._stream = _Stream.of(self.series.names)

    async def _frames(self, stream: _Stream, partition: int, numbers: I32, times: I64, values: F64) -> None:
        names, first = stream.names[partition], stream.said[partition]
        while len(names) - first > NAMES_PER_FRAME:
            said = tuple(names[first : first + NAMES_PER_FRAME])
            await self._say(stream, partition, Frame(stream.id, first, said, numbers[:0], times[:0], values[:0]))
            first += NAMES_PER_FRAME
        for start in range(0, len(numbers), SAMPLES_PER_FRAME):
            part = slice(start, start + SAMPLES_PER_FRAME)
            said = tuple(names[first:])
            await self._say(stream, partition, Frame(stream.id, first, said, numbers[part], times[part], values[part]))
            first += len(said)

    async def _say(self, stream: _Stream, partition: int, frame: Frame) -> None:
        stream.said[partition] = max(stream.said[partition], frame.first + len(frame.names))
        self._heard_s[partition] = self._clock()
        await self._put(partition, pack(frame))
