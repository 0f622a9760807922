"""Deploys and other changes as detection sees them: a time of closer watching, and what came of it.

Rule 1. For `watch_s` after a change its service is watched more closely: a threshold `EASE` lower, one row less.
Rule 2. A deviation that began in that time and still lasts after it is a shift when its level no longer moves. Signals
that only explain then take the new level for the normal one; signals that page never do, because people are hurt.
Rule 3. What still moves (a leak after a deploy) is no shift, and is never accepted here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from aiops.model import I64

EASE = 0.5  # rarity, as asked for: a third of the budget's distance between pages
FEWEST_ROWS = 2  # a single odd row is not worth a word, watched or not
SHORTEST_SHARE = 1 / 3  # of the watch: a shift is this old before it is accepted, chosen
MOVING_SHARE = 1 / 3  # of its size, between the halves of the watch: a steady climb moves two thirds, chosen
MAX_PER_SERVICE = 8
MAX_CHANGES = 10_000  # both chosen: what crashes in a loop must not fill the memory
_NAMES = {"config": "config change", "scale": "scaling", "": "change"}


@dataclass(frozen=True, slots=True)
class Change:
    """Something was changed about a service; until `until_ms` it is watched closely."""

    service: str
    kind: str
    time_ms: int
    until_ms: int


@dataclass(slots=True)
class Shift:
    """What a change may have moved: the level of a series in both halves of the watch.

    From `due_ms` on it is decided whether it is one; `is_decided` is set when it was found to be none, or may never be.
    """

    kind: str
    change_ms: int
    until_ms: int
    due_ms: int
    middle_ms: int
    is_decided: bool = False
    early_sum: float = 0.0
    early_rows: int = 0
    late_sum: float = 0.0
    late_rows: int = 0

    def learn(self, time_ms: int, value: float) -> None:
        """Take in one row."""
        if self.is_decided or not math.isfinite(value):
            return
        if time_ms < self.middle_ms:
            self.early_sum, self.early_rows = self.early_sum + value, self.early_rows + 1
        else:
            self.late_sum, self.late_rows = self.late_sum + value, self.late_rows + 1

    @property
    def level(self) -> float:
        """The level it came to; NaN without rows."""
        return self.late_sum / self.late_rows if self.late_rows else math.nan

    def is_level(self, expected: float) -> bool:
        """Tell whether it came to rest at a level other than the expected one."""
        if not self.early_rows:
            return False
        moved = abs(self.level - self.early_sum / self.early_rows)
        return moved <= MOVING_SHARE * abs(self.level - expected)

    def watched(self) -> str:
        """In words, for a deviation that began then."""
        minutes = round((self.until_ms - self.change_ms) / 60_000)
        return f"{minutes} min watch after {named(self.kind)}"


def named(kind: str) -> str:
    """A kind of change as people say it.

    >>> named("deploy"), named("scale"), named("")
    ('deploy', 'scaling', 'change')
    """
    return _NAMES.get(kind, kind)


def shift_after(change: Change, started_ms: int, now_ms: int, *, pages: bool) -> Shift:
    """Begin to follow what a change may have moved, from now on.

    >>> shift_after(Change("cart", "deploy", 0, 1_800_000), 1_500_000, 1_500_000, pages=False).due_ms
    2100000
    """
    least_ms = int(SHORTEST_SHARE * (change.until_ms - change.time_ms))
    due_ms = max(change.until_ms, started_ms + least_ms)
    middle_ms = (max(started_ms, now_ms) + due_ms) // 2
    return Shift(change.kind, change.time_ms, change.until_ms, due_ms, middle_ms, is_decided=pages)


def cut(times: I64, start: int, due_ms: Iterable[int], borders_ms: Iterable[int] = ()) -> int:
    """How far rows may be taken together from `start` on: up to the first one at or after any of the times due.

    They end before the first one at or after a border.

    >>> rows = np.array([0, 10, 20, 30])
    >>> cut(rows, 0, [15]), cut(rows, 1, [5, 30]), cut(rows, 1, []), cut(rows, 0, [99])
    (3, 2, 4, 4)
    >>> cut(rows, 0, [15], [15]), cut(rows, 1, [], [10, 20]), cut(rows, 0, [], [-5, 0, 31])
    (2, 2, 4)
    """
    ends = [max(int(np.searchsorted(times, due)), start) + 1 for due in due_ms]
    ends += [end for border in borders_ms if (end := int(np.searchsorted(times, border))) > start]
    return min([*ends, len(times)])


class Changes:
    """The changes whose watch is not over, by service.

    >>> changes = Changes(1800.0)
    >>> changes.note("cart", "deploy", 60_000, now_ms=0).until_ms
    1860000
    >>> changes.at("cart", 59_999), changes.at("cart", 1_859_999).kind, changes.at("cart", 1_860_000)
    (None, 'deploy', None)
    """

    def __init__(self, watch_s: float) -> None:
        self._watch_ms = int(watch_s * 1000)
        self._by_service: dict[str, tuple[Change, ...]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._by_service.values()))

    def note(self, service: str, kind: str, time_ms: int, *, now_ms: int) -> Change | None:
        """Begin a watch. None if it is over already, known, or one too many."""
        change = Change(service, kind, time_ms, time_ms + self._watch_ms)
        known = self._by_service.get(service, ())
        if change.until_ms <= now_ms or not self._watch_ms or change in known:
            return None
        # What lies far from the data, by a wrong clock perhaps, is the first that there is no room for.
        nearest = sorted((*known, change), key=lambda c: abs(c.time_ms - now_ms))[:MAX_PER_SERVICE]
        self._by_service[service] = tuple(sorted(nearest, key=_age))
        if len(self) > MAX_CHANGES:
            farthest = max(self.all(), key=lambda c: abs(c.time_ms - now_ms))
            self.replace(c for c in self.all() if c is not farthest)
        return change if change in self._by_service.get(service, ()) else None

    def at(self, service: str, time_ms: int) -> Change | None:
        """The latest change of a service whose watch holds that time."""
        return next((c for c in self._by_service.get(service, ())[::-1] if c.time_ms <= time_ms < c.until_ms), None)

    def within(self, first_ms: int, last_ms: int) -> list[Change]:
        """Changes whose watch holds some of that time."""
        return [c for c in self.all() if c.time_ms <= last_ms and first_ms < c.until_ms]

    def all(self) -> tuple[Change, ...]:
        """All changes, earliest first."""
        return tuple(sorted((c for changes in self._by_service.values() for c in changes), key=_age))

    def forget(self, now_ms: int) -> None:
        """Drop the watches that are over."""
        if any(c.until_ms <= now_ms for c in self.all()):
            self.replace(c for c in self.all() if c.until_ms > now_ms)

    def replace(self, changes: Iterable[Change]) -> None:
        """Know these changes and no others."""
        self._by_service = {}
        for change in changes:
            self._by_service[change.service] = (*self._by_service.get(change.service, ()), change)


def _age(change: Change) -> tuple[int, str, str]:
    return change.time_ms, change.service, change.kind
