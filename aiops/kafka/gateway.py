"""The role `gateway`: pushed samples into frames; a sender is answered once Kafka has them.

Rule 1. All raw series that make up a watched series must meet in one partition: a series goes to the partitions of the
services of the signals it is used for, mostly one. What no signal pack uses is dropped here and counted.
Rule 2. Requests of a moment share frames. If any of their frames is not taken, all of them are told to come again;
what is then there twice has the same time and counts once.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from aiops.errors import Overloaded
from aiops.kafka.frames import Frame, pack
from aiops.kafka.topics import partition_of
from aiops.model import F64, I32, I64, Labels
from aiops.packs import Pack
from aiops.sources._fingerprint import U64
from aiops.sources._numbering import numbers_of
from aiops.sources._pushed_samples import Samples, WriteLimits, key_of
from aiops.sources._pushed_watch import Watchlist
from aiops.sources._series_index import SeriesIndex
from aiops.sources._write_headers import Written
from aiops.sources.remote_write import STALE_BITS, WriteReader

log = logging.getLogger(__name__)

UNWATCHED, SERIES_LIMIT = -1, -2
NAMES_PER_FRAME = 20_000  # chosen: about 3 MB of labels, a tenth of that on the wire
TICK_S = 1.0  # chosen: detectors of a partition without samples hear so often how late it is

Put = Callable[[int, bytes], Awaitable[None]]
"""Puts a message into a partition of the samples; returns when Kafka has it."""


@dataclass(frozen=True, slots=True)
class GatewayRules:
    """How requests become frames.

    Parameters
    ----------
    linger_s : requests of so long share frames
    most_samples : samples that are not in Kafka yet; beyond it senders are told to come again
    say_again_s : names of series are said again after so long
    max_series : that are told apart in one life of the gateway
    """

    linger_s: float = 0.05
    most_samples: int = 4_000_000
    say_again_s: float = 300.0
    max_series: int = 10_000_000


class RoutedSeries:
    """Numbers for label sets, for the whole gateway and for each partition; a `Numbering`."""

    def __init__(self, packs: Iterable[Pack], partitions: int, max_series: int) -> None:
        self.index = SeriesIndex()
        self.names: list[list[bytes]] = [[] for _ in range(partitions)]
        self.local: I32 = np.full((partitions, 1024), -1, np.int32)
        self._watch = Watchlist(packs)
        self._max_series = max_series
        self._numbers: dict[Labels, int] = {}

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
        number = self._numbers[labels] = len(self._numbers)
        if number >= self.local.shape[1]:
            more = np.full(self.local.shape, -1, np.int32)
            self.local = np.concatenate([self.local, more], axis=1)
        name = key_of(labels)
        for partition in partitions:
            self.local[partition, number] = len(self.names[partition])
            self.names[partition].append(name)
        return number

    def remember(self, print_: U64, size: int, number: int) -> None:
        """Put a fingerprint into the index, unless there is no room."""
        if len(self.index) < 2 * self._max_series:
            self.index.add(print_, size, number)

    def _partitions(self, labels: dict[str, str]) -> list[int]:
        services = {use.key.service for use in self._watch.uses(labels)}
        services |= set(self._watch.callers(labels))
        return sorted({partition_of(service, len(self.names)) for service in services})


@dataclass(slots=True)
class _Gathered:
    """What requests of a moment have brought for one partition."""

    numbers: list[I32] = field(default_factory=list)
    times: list[I64] = field(default_factory=list)
    values: list[F64] = field(default_factory=list)


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
        self._stream = secrets.randbits(63)
        self._gathered: dict[int, _Gathered] = {}
        self._said = [0] * len(series.names)
        self._said_again_s = clock()
        self._heard_s = [0.0] * len(series.names)
        self._order = [asyncio.Lock() for _ in series.names]
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
            self._said_again_s, self._said = now_s, [0] * len(self._said)
        quiet = [p for p, heard_s in enumerate(self._heard_s) if now_s - heard_s >= TICK_S]
        await asyncio.gather(*(self._put(partition, pack(None)) for partition in quiet))

    # -- inside

    def _make_room(self, count: int) -> None:
        if self._waiting + count > self._rules.most_samples:
            self.counts["refused"] += count
            raise Overloaded(f"{self._waiting} samples are on their way to Kafka already")

    async def _sent(self, numbers: I32, times: I64, values: F64) -> None:
        # The reader's arrays are overwritten by the next request: what is kept of them is copied before any wait.
        self.counts["received"] += len(times)
        self.counts["unwatched"] += int(np.count_nonzero(numbers == UNWATCHED))
        self.counts["series_limit"] += int(np.count_nonzero(numbers == SERIES_LIMIT))
        held = numbers >= 0
        if not held.any():
            return
        if not held.all():
            numbers, times, values = numbers[held], times[held], values[held]
        self._waiting += len(times)
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
        local = self.series.local[:, numbers]
        for partition in np.flatnonzero((local >= 0).any(axis=1)).tolist():
            here = local[partition] >= 0
            one = self._gathered.setdefault(partition, _Gathered())
            one.numbers.append(local[partition][here])
            one.times.append(times[here])
            one.values.append(values[here])

    async def _flushed(self) -> None:
        await asyncio.sleep(self._rules.linger_s)
        self._flush = None
        gathered, self._gathered = self._gathered, {}
        try:
            await asyncio.gather(*(self._frame(partition, one) for partition, one in gathered.items()))
        except Overloaded:
            # Names that were in a frame that is lost are not known there.
            self._said = [0] * len(self._said)
            raise

    async def _frame(self, partition: int, one: _Gathered) -> None:
        # One at a time: a frame must not overtake the one that names its series.
        async with self._order[partition]:
            names, first = self.series.names[partition], self._said[partition]
            while len(names) - first > NAMES_PER_FRAME:
                await self._say(partition, first, names[first : first + NAMES_PER_FRAME], _Gathered())
                first += NAMES_PER_FRAME
            await self._say(partition, first, names[first:], one)

    async def _say(self, partition: int, first: int, names: list[bytes], one: _Gathered) -> None:
        frame = Frame(
            self._stream,
            first,
            tuple(names),
            _joined(one.numbers, np.int32),
            _joined(one.times, np.int64),
            _joined(one.values, np.float64),
        )
        self._said[partition] = max(self._said[partition], first + len(names))
        self._heard_s[partition] = self._clock()
        await self._put(partition, pack(frame))


def _joined(parts: list[np.ndarray], kind: type) -> np.ndarray:
    return np.concatenate(parts) if parts else np.zeros(0, kind)
