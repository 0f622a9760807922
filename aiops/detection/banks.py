"""Two banks as one: the full bank for series that may page, the light one for what only explains or is too much.

A column has a place in one of the banks. The place of a column that is let go is given to the next one that wants the
same bank, so that neither bank grows beyond the most series it ever had at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aiops.detection.columns import BY_HOUR, only
from aiops.model import F64, I64, Bools
from detectors._base import State, Verdicts
from detectors.bank import Bank
from detectors.light import Light
from detectors.rarity import LOWEST

log = logging.getLogger(__name__)

NOWHERE = -1
LIGHT = "light."


class Wanted(NamedTuple):
    """Of which columns somebody looks at rows that are usual, (n,), and from which rarity on at those of all others."""

    watched: Bools
    least: float


@dataclass(slots=True)
class _Places:
    """One of the banks, with the column of each place (`NOWHERE` = free)."""

    bank: Bank | Light
    columns: I64 = field(default_factory=lambda: np.zeros(0, np.int64))
    free: list[int] = field(default_factory=list)

    @property
    def used(self) -> int:
        return len(self.columns) - len(self.free)

    def take(self, columns: Sequence[int]) -> I64:
        """Places for these columns."""
        missing = len(columns) - len(self.free)
        if missing > 0:
            first, n = len(self.columns), len(self.columns) + missing
            self.bank.grow(n)
            self.columns = np.concatenate([self.columns, np.full(missing, NOWHERE)])
            self.free += range(n - 1, first - 1, -1)
        places = np.array([self.free.pop() for _ in columns], np.int64)
        self.columns[places] = columns
        return places

    def give_back(self, places: I64) -> None:
        """Make places cold and free."""
        self.bank.forget(places)
        self.columns[places] = NOWHERE
        self.free += places[::-1].tolist()

    def update(self, times: I64, values: F64, freeze: Bools) -> Verdicts:
        """Score by place; nothing comes where nobody is."""
        mine = np.ascontiguousarray(values[:, self.columns])
        mine[:, self.free] = np.nan
        return self.bank.update(times, mine, freeze[self.columns])


class Banks:
    """Scores n series, each in one of two banks, which is chosen when it is first seen and kept.

    Parameters
    ----------
    may_be_light : tells of a column whether its signal may do with the light bank
    max_full : columns for which there is room in the full bank; what comes after them is light
    """

    def __init__(self, step_s: float, offset_s: float, may_be_light: Callable[[int], bool], max_full: int) -> None:
        self._bank, self._light_bank = Bank(0, step_s), Light(0, step_s, offset_s)
        self._full, self._light = _Places(self._bank), _Places(self._light_bank)
        self._may_be_light, self._max_full = may_be_light, max_full
        self._is_light: Bools = np.zeros(0, np.bool_)
        self._place: I64 = np.zeros(0, np.int64)

    def __len__(self) -> int:
        """Columns, those that are let go included."""
        return len(self._is_light)

    @property
    def full(self) -> int:
        """How many series are in the full bank."""
        return self._full.used

    @property
    def light(self) -> int:
        """How many series are in the light bank."""
        return self._light.used

    @property
    def used(self) -> Bools:
        """Columns (n,) that have a series."""
        used: Bools = self._place != NOWHERE
        return used

    def grow(self, n: int) -> None:
        """Make room for n columns, all of series."""
        first = len(self)
        self._is_light = np.concatenate([self._is_light, np.zeros(n - first, np.bool_)])
        self._place = np.concatenate([self._place, np.full(n - first, NOWHERE)])
        self.adopt(range(first, n))

    def adopt(self, columns: Sequence[int]) -> None:
        """Take in the series that have these columns now."""
        room, refused = self._max_full - self._full.used, 0
        full, light = list[int](), list[int]()
        for column in columns:
            chosen = self._may_be_light(column)
            refused += not chosen and len(full) >= room
            (light if chosen or len(full) >= room else full).append(column)
        if refused:
            log.warning("no room in the full bank, the light one watches series=%d limit=%d", refused, self._max_full)
        self._is_light[full], self._is_light[light] = False, True
        self._place[full], self._place[light] = self._full.take(full), self._light.take(light)

    def forget(self, columns: Sequence[int]) -> None:
        """Let go of series; nothing of them is left for those that have their columns or places next."""
        gone = np.array(columns, np.int64)
        for places, mine in ((self._light, gone[self._is_light[gone]]), (self._full, gone[~self._is_light[gone]])):
            places.give_back(self._place[mine])
        self._place[gone] = NOWHERE

    def update(self, times: I64, values: F64, freeze: Bools, wanted: Wanted | None = None) -> Verdicts:
        """Score each value with what earlier ones taught, then learn it; see `Bank.update` and `Light.update`.

        Parameters
        ----------
        wanted : None = all that the banks can say. Otherwise, when there is one row, usual rows in the light bank are
            `LOWEST` in rarity and NaN in the rest: telling more of each would take most of the time
        """
        if not len(self._light.columns) and np.array_equal(self._full.columns, np.arange(len(self))):
            return self._bank.update(times, values, freeze)
        out = np.full((5, *values.shape), np.nan)
        ticks = wanted is not None and len(times) == 1
        if wanted is not None and ticks:
            self._tick(int(times[0]), np.where(freeze, np.nan, values[0]), wanted, out[:, 0])
        for places in (self._full,) if ticks else (self._full, self._light):
            said, there = places.update(times, values, freeze), places.columns != NOWHERE
            parts = (said.rarity, said.surprise, said.expected, said.lower, said.upper)
            for whole, part in zip(out, parts, strict=True):
                whole[:, places.columns[there]] = part[:, there]
        return Verdicts(*out)

    def _tick(self, time_ms: int, values: F64, wanted: Wanted, out: F64) -> None:
        """Write what the light bank says of one row to out (5, n)."""
        columns = self._light.columns
        mine, watched = values[columns], wanted.watched[columns]
        mine[self._light.free] = np.nan
        known = columns[self._light_bank.warm & np.isfinite(mine)]
        odd = self._light_bank.tick(time_ms, mine, wanted.least, watched)
        told = columns[odd.columns]
        out[0, known] = LOWEST
        out[:, told] = odd.rarity, odd.surprise, odd.expected, odd.lower, odd.upper

    def spoke(self, column: int) -> dict[str, float]:
        """Surprise of each part of the full bank at the column's last row; the light bank has no parts."""
        return {} if self._is_light[column] else self._bank.spoke(int(self._place[column]))

    def counts(self, column: int) -> dict[str, float]:
        """How much each part of the full bank counts on the column; the light bank has no parts."""
        return {} if self._is_light[column] else self._bank.counts(int(self._place[column]))

    def accept(self, column: int) -> State:
        """Take the recent level of a column as its normal one. Returns what it replaced, for `take_back`.

        The level of the light bank comes along within ten rows by itself.
        """
        return {} if self._is_light[column] else self._bank.accept(self._place[[column]])

    def take_back(self, column: int, replaced: State) -> None:
        """Undo an `accept` of the same column."""
        if replaced and not self._is_light[column]:
            self._bank.take_back(self._place[[column]], replaced)

    def snapshot(self, columns: NDArray[np.integer] | None = None) -> State:
        """Both memories of these columns (None = all that have a series) in their order, and which is in which bank."""
        columns = np.flatnonzero(self.used) if columns is None else columns
        is_light, place = self._is_light[columns], self._place[columns]
        light = only(self._light_bank.snapshot(), place[is_light], BY_HOUR)
        full = only(self._bank.snapshot(), place[~is_light])
        return full | {f"{LIGHT}{name}": array for name, array in light.items()} | {"is_light": is_light}

    def restore(self, state: State) -> None:
        """Take up a snapshot; one without a light bank has all columns in the full one.

        Raises ValueError when its layout is not ours.
        """
        self._bank.restore(state)
        if "is_light" in state:
            self._light_bank.restore({k.removeprefix(LIGHT): v for k, v in state.items() if k.startswith(LIGHT)})
        self._is_light = state.get("is_light", np.zeros(len(self._bank), np.bool_)).astype(np.bool_)
        self._full = _Places(self._bank, np.flatnonzero(~self._is_light))
        self._light = _Places(self._light_bank, np.flatnonzero(self._is_light))
        for places in (self._full, self._light):
            if len(places.columns) != len(places.bank):
                raise ValueError(f"snapshot is_light must tell {len(self._bank)} columns from {len(self._light_bank)}")
        self._place = np.where(self._is_light, np.cumsum(self._is_light), np.cumsum(~self._is_light)) - 1
