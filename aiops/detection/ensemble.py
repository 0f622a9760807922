"""All detectors of a shard, asked together: what they say of a stretch of rows, and their memory as one snapshot."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aiops.detection.banks import Banks, Wanted
from aiops.detection.columns import only
from aiops.detection.limits import Limits
from aiops.detection.presence import GAP_MS, Presence
from aiops.detection.rules import DetectionRules
from aiops.detection.shares import Shares
from aiops.model import F64, I64, Bools
from aiops.wire import part_of, prefixed
from detectors._base import Scores, Verdicts
from detectors.absence import Absence
from detectors.rarity import level_rarity
from detectors.season import Season

BLIND_SHARE = 0.8  # chosen: when this share of all series is missing at once, the source is gone

JUMP_SHARE = 0.5  # chosen: a jump makes at least half of the way in one step

State = dict[str, NDArray[np.generic]]


class Band(NamedTuple):
    """What was expected of a value."""

    expected: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Said:
    """What the detectors say of some rows; all arrays (t, n), NaN = no opinion.

    Parameters
    ----------
    rarity : of each row's level, NaN also where nothing may begin: start-up and maintenance
    missing : surprise at a value that is not there, NaN in the same places and while the source is gone
    verdicts, usual : what the bank and the season say, whether or not anything may begin; see `Banks.update`
    values : the rows
    before : (n,) the last value of each series before them
    """

    rarity: F64
    missing: F64
    verdicts: Verdicts
    usual: Scores
    values: F64
    before: F64

    def band(self, i: int, column: int) -> Band:
        """What the rows before say of a row."""
        return _band(self.verdicts, i, column)

    def usual_band(self, i: int, column: int) -> Band:
        """What is usual at this hour; NaN = the season does not know."""
        return _band(self.usual, i, column)

    def jumped(self, i: int, column: int, expected: float) -> bool | None:
        """Tell whether a row came to its distance from the expected value by one step rather than little by little.

        None where there is no value before it.
        """
        past = self.values[:i, column]
        past = past[np.isfinite(past)]
        before = past[-1] if len(past) else self.before[column]
        if np.isnan(before):
            return None
        value = self.values[i, column]
        return bool(abs(value - before) >= JUMP_SHARE * abs(value - expected))


class Ensemble:
    """Bank, absence and season of one shard.

    Parameters
    ----------
    step_s : distance of rows in seconds
    limits : knows the columns of a service; it grows with the ensemble

    Attributes
    ----------
    blind : nearly all series are missing at once in the latest row
    """

    def __init__(self, step_s: float, rules: DetectionRules, limits: Limits) -> None:
        self.bank = Banks(step_s, rules.utc_offset_s, self._may_be_light, rules.max_full_series)
        self.absence = Absence(0)
        self.season = Season(0, step_s, rules.utc_offset_s)
        self.blind = False
        self._presence = Presence()
        self._before: F64 = np.zeros(0)
        self._shares = Shares(limits.table, step_s)
        self._rules, self._limits = rules, limits

    def grow(self, n: int) -> None:
        """Take in the series up to number n."""
        for part in (self.bank, self.absence, self.season, self._presence, self._shares, self._limits):
            part.grow(n)
        self._before = np.concatenate([self._before, np.full(n - len(self._before), np.nan)])

    def update(self, times: I64, values: F64, tracked: Collection[int] = ()) -> Said:
        """Score rows between which no maintenance begins or ends, then learn them.

        Parameters
        ----------
        tracked : columns of which every row is looked at, however usual it is
        """
        frozen = self._frozen(int(times[0]))
        verdicts = self.bank.update(times, values, frozen, self._wanted(tracked))
        rarity, missing = level_rarity(verdicts.rarity), self._absent(times, values, frozen)
        self._shares.judge(rarity, values, verdicts.upper, frozen)
        usual = self.season.update(times, np.where(frozen, np.nan, values) if frozen.any() else values)
        young, rows = self._presence.unsettled(times, values, self._rules.settle_s)
        for scores in (rarity, missing):
            scores[:, young] = np.where(rows, np.nan, scores[:, young])
            scores[:, frozen] = np.nan
        self._presence.update(times, values)
        self._see(values, missing, frozen)
        before, self._before = self._before, last_values(values, self._before)
        return Said(rarity, missing, verdicts, usual, values, before)

    def adopt(self, columns: Sequence[int]) -> None:
        """Take in the series that have these columns now; they were let go before."""
        for part in (self.bank, self._presence, self._shares):
            part.adopt(columns)

    def forget(self, columns: Sequence[int]) -> None:
        """Let go of series; nothing of them is left."""
        gone = np.array(columns, np.int64)
        self.bank.forget(columns)
        self.absence.forget(gone)
        self.season.forget(gone)
        self._shares.forget(columns)
        self._before[gone] = np.nan

    def silent(self) -> Bools:
        """Columns (n,) of series that have stopped; a column without a block yet has not."""
        silent = self._presence.silent(self._rules.evict_after_s)
        used = self.bank.used
        silent = np.pad(silent, (0, max(len(used) - len(silent), 0)))
        return np.asarray(silent[: len(used)] & used)

    def snapshot(self, columns: I64) -> State:
        """All memories of these columns by name."""
        rest = {"absence": self.absence.snapshot(), "season": self.season.snapshot()}
        rest |= {"presence": self._presence.to_arrays() | {"value": self._before.copy()}}
        parts = {"bank": self.bank.snapshot(columns)} | {name: only(state, columns) for name, state in rest.items()}
        return prefixed(parts | {"shares": self._shares.to_arrays(columns)})

    def restore(self, state: State) -> None:
        """Take up a snapshot; the table has its series already.

        Raises ValueError or KeyError when its layout is not ours.
        """
        for name, part in (("bank", self.bank), ("absence", self.absence), ("season", self.season)):
            part.restore(part_of(state, name))
        self._presence.from_arrays(part_of(state, "presence"))
        self._shares.from_arrays(part_of(state, "shares"))
        self._before = state["presence.value"].astype(np.float64)
        # Before their first row too: other shards ask how many of these may page.
        self.grow(len(self.bank))

    def _wanted(self, tracked: Collection[int]) -> Wanted:
        watched = np.zeros(len(self.bank), np.bool_)
        watched[[column for column in tracked if column < len(watched)]] = True
        # What chance says of a ratio may be rarer than what the bank says, and needs the bank's band.
        watched[self._shares.ratios] = True
        return Wanted(watched, self._limits.lowest)

    def _may_be_light(self, column: int) -> bool:
        return self._rules.light_evidence and not self._limits.table.signal(column).pages

    def _frozen(self, now_ms: int) -> Bools:
        """Columns of services that are worked on."""
        frozen = np.zeros(len(self.bank), np.bool_)
        for window in self._rules.maintenance:
            if window.holds(now_ms):
                columns = [c for s in window.services for c in self._limits.columns(s)]
                frozen[columns if window.services else slice(None)] = True
        return frozen

    def _absent(self, times: I64, values: F64, frozen: Bools) -> F64:
        """Surprise of missing values; what goes missing in maintenance leaves no trace."""
        since_ms = min((w.start_ms for w in self._rules.maintenance if w.holds(int(times[0]))), default=0)
        excused = frozen & (self._presence.seen_ms >= since_ms - GAP_MS)
        if excused.any():
            values = np.where(excused & np.isnan(values), 0.0, values)
        return self.absence.update(times, values).surprise

    def _see(self, values: F64, missing: F64, frozen: Bools) -> None:
        """Rows in which nearly all known series are missing say that the source is gone, not the services."""
        is_missing = np.isnan(values)
        known = np.isfinite(missing).any(axis=0) | ~(is_missing.all(axis=0) | frozen)
        blind = (is_missing[:, known].sum(axis=1) > BLIND_SHARE * known.sum()) & known.any()
        missing[blind] = np.nan
        self.blind = bool(blind[-1])


def _band(said: Scores | Verdicts, i: int, column: int) -> Band:
    return Band(*(float(of[i, column]) for of in (said.expected, said.lower, said.upper)))


def last_values(values: F64, before: F64) -> F64:
    """The last finite value of each column, `before` (n,) where there is none.

    >>> last_values(np.array([[1.0, 2.0, np.nan], [np.nan, 3.0, np.inf]]), np.array([7.0, 8.0, 9.0]))
    array([1., 3., 9.])
    """
    last: F64 = values[-1].copy()
    gone = np.flatnonzero(~np.isfinite(last))
    there = np.isfinite(values[:, gone])
    row = len(values) - 1 - np.argmax(there[::-1], axis=0)
    last[gone] = np.where(there.any(axis=0), values[row, gone], before[gone])
    return last
