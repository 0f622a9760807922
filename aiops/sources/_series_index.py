"""From fingerprints of label sets to numbers of series: an open hash table of plain arrays, 44 bytes an entry or so.

Senders write the series of a scrape in the same order each time. So each entry also knows its length and which entry
followed it last time, and a scanner that has met one series can guess the next: it jumps over as many bytes and
compares one fingerprint, without looking for anything.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from aiops.model import I32, I64, Bools
from aiops.sources._fingerprint import MOST_BYTES, SLACK_BYTES, U8, U64, fingerprint, fingerprint_of_list, new_key

UNKNOWN = -(2**31)
"""Stands for the number of what is not in the index."""

_FIRST_ENTRIES = 1024  # chosen
_GROWTH = 1.5  # chosen: less is copied more often, more is empty for longer


class Table(NamedTuple):
    """What kernels see of an index. An entry that is free has size 0, and nothing has that.

    Parameters
    ----------
    prints : (n, 2) fingerprints
    sizes : (n,) bytes of the label set
    follows : (n,) entry met after this one last time, -1 = none
    numbers : (n,) number of the series
    slots : (2^k,) entry, -1 = none; an entry lies in the first free slot from the low bits of its fingerprint on
    key : of the fingerprints
    """

    prints: U64
    sizes: I32
    follows: I32
    numbers: I32
    slots: I32
    key: U64


@njit(cache=True)
def lookup(  # noqa: PLR0917 - kernels take their state by position
    prints: U64, sizes: I32, slots: I32, low: Any, high: Any, size: int
) -> Any:
    """The entry with this fingerprint, -1 = none."""
    mask = np.uint64(len(slots) - 1)
    at = low & mask
    while True:
        entry = slots[at]
        if entry < 0:
            return -1
        if prints[entry, 0] == low and prints[entry, 1] == high and sizes[entry] == size:
            return np.int64(entry)
        at = (at + np.uint64(1)) & mask


@njit(cache=True)
def _find_all(  # noqa: PLR0917 - same
    buf: U8,
    ends: I64,
    prints: U64,
    sizes: I32,
    follows: I32,  # noqa: ARG001 - a table comes whole
    known: I32,
    slots: I32,
    key: U64,
    found: I32,
    found_prints: U64,
) -> None:
    start = 0
    for i in range(len(ends)):
        size = ends[i] - start
        found[i] = UNKNOWN
        if size <= MOST_BYTES:
            low, high = fingerprint(buf, start, size, key)
            found_prints[i, 0], found_prints[i, 1] = low, high
            entry = lookup(prints, sizes, slots, low, high, size)
            if entry >= 0:
                found[i] = known[entry]
        start = ends[i]


@njit(cache=True)
def _place(table: Any, entry: int) -> None:
    mask = np.uint64(len(table.slots) - 1)
    at = table.prints[entry, 0] & mask
    while table.slots[at] >= 0:
        at = (at + np.uint64(1)) & mask
    table.slots[at] = entry


@njit(cache=True)
def _place_all(table: Any, n: int) -> None:
    for entry in range(n):
        if table.sizes[entry] != 0:
            _place(table, entry)


@njit(cache=True)
def _add_all(table: Any, entries: I64, prints: U64, sizes: I32, numbers: I32) -> int:
    """Put what is not there yet into these entries, one after the other; how many it took."""
    used = 0
    for i in range(len(sizes)):
        low, high, size = prints[i, 0], prints[i, 1], sizes[i]
        if lookup(table.prints, table.sizes, table.slots, low, high, size) < 0:
            entry = entries[used]
            table.prints[entry, 0], table.prints[entry, 1] = low, high
            table.sizes[entry], table.follows[entry], table.numbers[entry] = size, -1, numbers[i]
            _place(table, entry)
            used += 1
    return used


@njit(cache=True)
def _remove(table: Any, entries: I64) -> None:
    """Free these entries; what lies behind one in its run of slots moves up (Knuth 6.4, algorithm R)."""
    slots, mask = table.slots, np.int64(len(table.slots) - 1)
    for entry in entries:
        hole = np.int64(table.prints[entry, 0] & np.uint64(mask))
        while slots[hole] != entry:
            hole = (hole + 1) & mask
        at = hole
        while True:
            at = (at + 1) & mask
            if slots[at] < 0:
                break
            home = np.int64(table.prints[slots[at], 0] & np.uint64(mask))
            if ((at - home) & mask) >= ((at - hole) & mask):
                slots[hole] = slots[at]
                hole = at
        slots[hole] = -1
        table.sizes[entry], table.follows[entry] = 0, -1


class SeriesIndex:
    """The table, and what changes it. Entries are used again after they were removed."""

    def __init__(self, key: U64 | None = None) -> None:
        self.table = _empty(_FIRST_ENTRIES, new_key() if key is None else key)
        self._top = 0
        self._free: list[int] = []

    def __len__(self) -> int:
        """How many entries are in use."""
        return self._top - len(self._free)

    @property
    def nbytes(self) -> int:
        """Memory of the arrays, used or not."""
        return sum(part.nbytes for part in self.table)

    def find_all(self, keys: list[bytes]) -> tuple[I32, U64]:
        """The number of each key, UNKNOWN where there is none, and its fingerprint (m, 2).

        One that is too long for a fingerprint is never known, and its fingerprint is 0.
        """
        ends = np.cumsum(np.fromiter(map(len, keys), np.int64, len(keys)))
        found, prints = np.empty(len(keys), np.int32), np.zeros((len(keys), 2), np.uint64)
        buf = np.frombuffer(b"".join(keys) + bytes(SLACK_BYTES), np.uint8)
        _find_all(buf, ends, *self.table, found, prints)
        return found, prints

    def add(self, prints: U64, sizes: I32, numbers: I32) -> int:
        """Take in fingerprints (m, 2) of label sets; those that are there stay as they are. How many were new."""
        reused = self._free[::-1][: len(sizes)]
        more = len(sizes) - len(reused)
        if self._top + more > len(self.table.sizes):
            self._grow(self._top + more)
        entries = np.array([*reused, *range(self._top, self._top + more)], np.int64)
        used = int(_add_all(self.table, entries, prints, sizes, numbers))
        del self._free[len(self._free) - min(used, len(reused)) :]
        self._top += max(0, used - len(reused))
        return used

    def remove(self, is_gone: Bools) -> None:
        """Remove the entries whose place in `numbers()` is marked; those in use no more are left out."""
        entries = np.flatnonzero(is_gone & (self.table.sizes[: self._top] != 0))
        _remove(self.table, entries)
        self._free.extend(entries.tolist())

    def numbers(self) -> I32:
        """The number of each entry, those in use no more among them."""
        return self.table.numbers[: self._top]

    def numbers_in_use(self) -> I32:
        """The numbers of the entries in use, as often as each has one."""
        found: I32 = self.numbers()[self.table.sizes[: self._top] != 0]
        return found

    def compile_kernels(self) -> None:
        """Have what only a larger or an older index needs compiled now."""
        _place_all(self.table, 0)
        _remove(self.table, np.zeros(0, np.int64))
        listed = np.zeros(1, np.int64)
        fingerprint_of_list(self.table.prints, listed, 1, self.table.key)

    def _grow(self, least: int) -> None:
        old, n = self.table, self._top
        new = _empty(max(least, int(len(old.sizes) * _GROWTH)), old.key)
        new.prints[:n], new.sizes[:n] = old.prints[:n], old.sizes[:n]
        new.follows[:n], new.numbers[:n] = old.follows[:n], old.numbers[:n]
        _place_all(new, n)
        self.table = new


def _empty(n: int, key: U64) -> Table:
    # At most half full when all entries are in use, so that a search that fails ends soon.
    slots = np.full(1 << (2 * n - 1).bit_length(), -1, np.int32)
    return Table(
        np.zeros((n, 2), np.uint64),
        np.zeros(n, np.int32),
        np.full(n, -1, np.int32),
        np.zeros(n, np.int32),
        slots,
        key,
    )
