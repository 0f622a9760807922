"""Samples that wait for their tick to close."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from aiops.model import F64, I32, I64
from aiops.sources._fingerprint import U64

_FIRST_ROOM = 4096  # chosen
_KEPT_ROOM = 1 << 20  # chosen: 20 MB; more is given back when it is hardly used

TAKEN, UNWATCHED, SERIES_LIMIT, LABEL_LIMIT, FUTURE, TOO_OLD, LATE, INFINITE, OLDEST, NEWEST = range(10)
"""Places of counts, the last two being times, in what `sift` tells."""

_STALE_BITS, _NAN_BITS = np.uint64(0x7FF0000000000002), np.uint64(0x7FF8000000000000)
_MAGNITUDE, _INFINITE_BITS = np.uint64(0x7FFFFFFFFFFFFFFF), np.uint64(0x7FF0000000000000)
_NEVER_MS = 2**62


@dataclass(frozen=True, slots=True)
class Span:
    """Which times are taken: after `oldest_ms` and `closed_ms`, up to `newest_ms`."""

    oldest_ms: int
    closed_ms: int
    newest_ms: int


@njit(cache=True)
def sift(  # noqa: PLR0917 - kernels take their state by position
    numbers: I32,
    times: I64,
    bits: U64,
    oldest_ms: int,
    closed_ms: int,
    newest_ms: int,
    last_seen_ms: I64,
    ended_ms: I64,
    out_numbers: I32,
    out_times: I64,
    out_bits: U64,
    told: I64,
) -> Any:
    """Write the samples that are taken, count the others, and note when series were seen and when they ended.

    A value that is no number becomes the one plain NaN: arithmetic on the stale marker, a signalling NaN, could raise a
    floating point flag. Values are written as their bits: looking at an array in another way costs two reference counts
    for each sample, four fifths of the time.
    """
    k, infinite = 0, 0
    oldest, newest = told[OLDEST], told[NEWEST]
    for i in range(len(numbers)):
        number, time = numbers[i], times[i]
        if number < 0:
            told[-number] += 1
            continue
        if time > newest_ms:
            told[FUTURE] += 1
            continue
        if time <= oldest_ms:
            told[TOO_OLD] += 1
            continue
        if time <= closed_ms:
            told[LATE] += 1
            continue
        magnitude = bits[i] & _MAGNITUDE
        out_numbers[k], out_times[k] = number, time
        out_bits[k] = bits[i] if magnitude < _INFINITE_BITS else _NAN_BITS
        infinite += magnitude == _INFINITE_BITS
        if bits[i] == _STALE_BITS:
            ended_ms[number] = max(ended_ms[number], time)
        else:
            last_seen_ms[number] = max(last_seen_ms[number], time)
        oldest, newest = min(oldest, time), max(newest, time)
        k += 1
    told[TAKEN], told[INFINITE], told[OLDEST], told[NEWEST] = k, infinite, oldest, newest
    return k


@njit(cache=True)
def _part(  # noqa: PLR0917 - same
    numbers: I32,
    times: I64,
    values: F64,
    n: int,
    until_ms: int,
    out_numbers: I32,
    out_times: I64,
    out_values: F64,
) -> Any:
    """Move samples up to `until_ms` out and the others together: how many went out, the earliest of the others."""
    out = kept = 0
    oldest = _NEVER_MS
    for i in range(n):
        if times[i] <= until_ms:
            out_numbers[out], out_times[out], out_values[out] = numbers[i], times[i], values[i]
            out += 1
        else:
            numbers[kept], times[kept], values[kept] = numbers[i], times[i], values[i]
            oldest = min(oldest, times[i])
            kept += 1
    return out, oldest


class Waiting:
    """A heap of samples in the order in which they came.

    >>> waiting = Waiting()
    >>> seen, ended = np.zeros(2, np.int64), np.zeros(2, np.int64)
    >>> samples = np.array([0, 1], np.int32), np.array([30, 10]), np.array([0.5, 1.5])
    >>> waiting.add(*samples, Span(0, 0, 40), seen, ended)[TAKEN], seen
    (2, array([30, 10]))
    >>> waiting.take(10)
    (array([1], dtype=int32), array([10]), array([1.5]))
    >>> len(waiting), waiting.oldest_ms
    (1, 30)
    """

    def __init__(self) -> None:
        self.oldest_ms: int | None = None
        self._count = 0
        self._numbers, self._times, self._values = _rooms(_FIRST_ROOM)
        self._taken = _rooms(0)

    def __len__(self) -> int:
        """How many wait."""
        return self._count

    def add(  # noqa: PLR0917 - samples, then whom they are of
        self, numbers: I32, times: I64, values: F64, span: Span, last_seen_ms: I64, ended_ms: I64
    ) -> list[int]:
        """Put those of the samples (k,) on the heap that are taken; counts by place, see `TAKEN`.

        Parameters
        ----------
        numbers : of series; UNWATCHED and so on with a minus before it for those that are not held
        values : as they were sent, stale markers among them
        last_seen_ms, ended_ms : by number, brought up to date
        """
        self._make_room(self._count + len(numbers))
        told = np.zeros(10, np.int64)
        told[OLDEST] = _NEVER_MS
        at = self._count
        self._count += sift(
            numbers,
            times,
            values.view(np.uint64),
            span.oldest_ms,
            span.closed_ms,
            span.newest_ms,
            last_seen_ms,
            ended_ms,
            self._numbers[at:],
            self._times[at:],
            self._values.view(np.uint64)[at:],
            told,
        )
        found: list[int] = told.tolist()
        if found[TAKEN]:
            self.oldest_ms = found[OLDEST] if self.oldest_ms is None else min(self.oldest_ms, found[OLDEST])
        return found

    def take(self, until_ms: int) -> tuple[I32, I64, F64]:
        """Take away the samples up to and at `until_ms`; the arrays are overwritten by the next call."""
        if self.oldest_ms is None or self.oldest_ms > until_ms:
            return _rooms(0)
        numbers, times, values = self._spare()
        out, oldest_ms = _part(self._numbers, self._times, self._values, self._count, until_ms, numbers, times, values)
        self._count -= out
        self.oldest_ms = int(oldest_ms) if self._count else None
        if len(self._times) > max(_KEPT_ROOM, 8 * self._count):
            self._resize(max(_KEPT_ROOM, 2 * self._count))
        return numbers[:out], times[:out], values[:out]

    def _spare(self) -> tuple[I32, I64, F64]:
        """Room for all that waits. Memory that is new each time costs as much as what is written to it."""
        if self._count > _KEPT_ROOM:
            return _rooms(self._count)
        if self._count > len(self._taken[0]):
            self._taken = _rooms(self._count + self._count // 2)
        return self._taken

    def _make_room(self, count: int) -> None:
        if count > len(self._times):
            self._resize(count + count // 2)

    def _resize(self, room: int) -> None:
        n, numbers, times, values = self._count, self._numbers, self._times, self._values
        self._numbers, self._times, self._values = _rooms(room)
        self._numbers[:n], self._times[:n], self._values[:n] = numbers[:n], times[:n], values[:n]


def _rooms(count: int) -> tuple[I32, I64, F64]:
    return np.empty(count, np.int32), np.empty(count, np.int64), np.empty(count)
