"""Watched signals from raw series: which columns make up which signal, and the arithmetic over many ticks at once."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from aiops.model import F64, I32, Bools, SeriesKey
from aiops.packs._recipe import Recipe
from aiops.packs.arithmetic import signal_values
from aiops.series import SeriesTable
from aiops.sources import _pushed_cells as kernels
from aiops.sources._pushed_groups import Grouping, Members
from aiops.sources._pushed_watch import Side, Use
from aiops.wire import decode, encode, part_of, prefixed

log = logging.getLogger(__name__)

_AGG = {"sum": kernels.SUM, "max": kernels.MAX, "min": kernels.MIN, "avg": kernels.AVG}

_LEVEL_FORMS = ("gauge", "level_ratio")


class Plan:
    """One recipe over the raw series that there are."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.keys: list[SeriesKey] = []
        self.ids: I32 = np.zeros(0, np.int32)
        self._numbers: dict[SeriesKey, int] = {}
        self._members: dict[Side, Members] = {"of": Members(), "to": Members()}

    def add(self, raw: int, use: Use) -> None:
        """Take in a raw series."""
        group = self._numbers.setdefault(use.key, len(self.keys))
        if group == len(self.keys):
            self.keys.append(use.key)
        self._members[use.side].add(raw, group, use.bound)

    def drop(self, gone: Bools) -> list[SeriesKey]:
        """Let go of raw series; the groups that have none left."""
        used = np.zeros(len(self.keys), np.bool_)
        for members in self._members.values():
            used[members.groups_of(~gone)] = True
        renumbered = np.cumsum(used) - 1
        for members in self._members.values():
            members.drop(gone, renumbered)
        if used.all():
            return []
        dropped = [key for key, is_used in zip(self.keys, used, strict=True) if not is_used]
        self.keys = [key for key, is_used in zip(self.keys, used, strict=True) if is_used]
        self.ids = self.ids[used]
        self._numbers = {key: i for i, key in enumerate(self.keys)}
        return dropped

    def snapshot(self, anew: I32) -> dict[str, NDArray[np.generic]]:
        """All of it; `anew` has the numbers of watched series after a restart, by those of now."""
        ids = np.where(self.ids >= 0, anew[self.ids], -1)
        unowned = [self.keys[group] for group in np.flatnonzero(ids < 0).tolist()]
        arrays: dict[str, NDArray[np.generic]] = {"ids": ids.astype(np.int32)}
        arrays["unowned"] = np.frombuffer(encode(unowned), np.uint8)
        return arrays | prefixed({side: one.snapshot() for side, one in self._members.items()})

    def restore(self, state: Mapping[str, NDArray[np.generic]], table: SeriesTable) -> None:
        """Take up a snapshot; the table has the watched series already. StoreError, LookupError when it is damaged."""
        self.ids = state["ids"].astype(np.int32)
        unowned = iter(decode(state["unowned"].tobytes(), list[SeriesKey]))
        self.keys = [table.key(number) if number >= 0 else next(unowned) for number in self.ids.tolist()]
        self._numbers = {key: group for group, key in enumerate(self.keys)}
        for side, one in self._members.items():
            one.restore(part_of(state, side))

    def columns(self) -> I32:
        """Raw series in use, both sides."""
        return np.concatenate([members.columns() for members in self._members.values()])

    def values(self, rates: F64, levels: F64) -> F64:
        """The signal of each group: (t, g) from (t, r)."""
        raw = levels if self.recipe.form in _LEVEL_FORMS else rates
        if self.recipe.form == "quantile":
            grouping = self._members["of"].grouping(len(self.keys))
            buckets = self._joined(raw, grouping, kernels.SUM)
            found = np.empty((2, len(raw), len(self.keys)))
            kernels.quantiles(self.recipe.q, buckets, grouping.bounds, grouping.groups, found[0], found[1])
            return signal_values(self.recipe, found[0], found[1])
        how = _AGG[self.recipe.agg] if self.recipe.form in _LEVEL_FORMS else kernels.SUM
        of, to = (self._joined(raw, side.grouping(len(self.keys)), how) for side in self._members.values())
        return signal_values(self.recipe, of, None if self.recipe.to is None else to)

    def _joined(self, raw: F64, grouping: Grouping, how: int) -> F64:
        # Only quantiles have several buckets in a group; elsewhere a group has one, or none without a column.
        starts = grouping.starts if self.recipe.form == "quantile" else grouping.starts[grouping.groups]
        out = np.empty((len(raw), len(starts) - 1))
        kernels.joined(raw, grouping.columns, starts, how, out)
        return out


class Signals:
    """All recipes. A watched series belongs to the first recipe, in the order of the packs, that shows it."""

    def __init__(self, recipes: Iterable[Recipe], table: SeriesTable) -> None:
        self._plans = [Plan(recipe) for recipe in recipes]
        self._table = table
        self._owners: dict[SeriesKey, Plan] = {}
        self._rate_columns: I32 = np.zeros(0, np.int32)
        self._level_columns: I32 = np.zeros(0, np.int32)

    def __len__(self) -> int:
        """How many watched series there are."""
        return len(self._owners)

    def add(self, fresh: list[tuple[int, tuple[Use, ...]]]) -> None:
        """Take in raw series."""
        changed = set()
        for raw, uses in fresh:
            for use in uses:
                self._plans[use.recipe].add(raw, use)
                changed.add(use.recipe)
        for i in sorted(changed):
            self._claim(self._plans[i])
        if changed:
            self._recount()

    def drop(self, raws: I32, width: int) -> None:
        """Let go of raw series and of watched series that have none left."""
        gone = np.zeros(width, np.bool_)
        gone[raws] = True
        is_free = False
        for plan in self._plans:
            for key in plan.drop(gone):
                if self._owners.get(key) is plan:
                    del self._owners[key]
                    is_free = True
        for plan in self._plans if is_free else ():
            self._claim(plan, again=True)
        self._recount()

    def let_go(self, numbers: Sequence[int]) -> None:
        """Let go of watched series that had no value for long.

        Those that have raw series get other numbers, and there may be room now for some that had none.
        """
        gone = np.array(numbers, np.int32)
        for plan in self._plans if len(gone) else ():
            stopped = np.isin(plan.ids, gone)
            for i in np.flatnonzero(stopped).tolist():
                del self._owners[plan.keys[i]]
            plan.ids[stopped] = -1
        for plan in self._plans if len(gone) else ():
            self._claim(plan, again=True)

    def wanted(self) -> tuple[I32, I32]:
        """Raw series of which rates are needed, and of which levels are."""
        return self._rate_columns, self._level_columns

    def values(self, rates: F64, levels: F64) -> tuple[I32, F64]:
        """Ids and values (t, n) of all watched series, NaN = missing."""
        ids, columns = [np.zeros(0, np.int32)], list[F64]()
        for plan in self._plans:
            mine = plan.ids >= 0
            if mine.any():
                with np.errstate(over="ignore"):  # an overflow is an infinity, and those become NaN below
                    found = plan.values(rates, levels)
                # Copies of all columns cost as much as all the arithmetic.
                columns.append(found if mine.all() else found[:, mine])
                ids.append(plan.ids[mine])
        if not columns:
            return ids[0], np.zeros((len(rates), 0))
        values = columns[0] if len(columns) == 1 else np.concatenate(columns, axis=1)
        infinite = np.isinf(values)
        if infinite.any():
            values[infinite] = np.nan
        return np.concatenate(ids), values

    def snapshot(self, anew: I32) -> dict[str, NDArray[np.generic]]:
        """All of it; `anew` has the numbers of watched series after a restart, by those of now."""
        return prefixed({str(i): plan.snapshot(anew) for i, plan in enumerate(self._plans)})

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Take up a snapshot; the table has the watched series already. StoreError, LookupError when it is damaged."""
        for i, plan in enumerate(self._plans):
            plan.restore(part_of(state, str(i)), self._table)
            owned = zip(plan.keys, plan.ids.tolist(), strict=True)
            self._owners.update((key, plan) for key, number in owned if number >= 0)
        self._recount()

    def _claim(self, plan: Plan, *, again: bool = False) -> None:
        """Number the new watched series of a plan, and `again` those that another plan had."""
        refused = self._table.refused
        ids = np.append(plan.ids, np.full(len(plan.keys) - len(plan.ids), -1, np.int32))
        wanted = np.flatnonzero(ids < 0) if again else np.arange(len(plan.ids), len(ids))
        ids[wanted] = [self._id(plan.keys[i], plan) for i in wanted.tolist()]
        plan.ids = ids
        if self._table.refused > refused:
            log.warning("no room for watched series limit=%d signal=%s", self._table.limit, plan.recipe.signal.name)

    def _id(self, key: SeriesKey, plan: Plan) -> int:
        """The number of a watched series if the plan owns it or may own it now, else -1."""
        owner = self._owners.get(key, plan)
        number = self._table.add(key, plan.recipe.signal) if owner is plan else -1
        # A key that the table has no room for is not owned, so that nothing here grows without bound.
        if number >= 0:
            self._owners[key] = plan
        return number

    def _recount(self) -> None:
        self._rate_columns = _distinct([p.columns() for p in self._plans if p.recipe.form not in _LEVEL_FORMS])
        self._level_columns = _distinct([p.columns() for p in self._plans if p.recipe.form in _LEVEL_FORMS])


def _distinct(columns: list[I32]) -> I32:
    """Raw numbers that are in any of the arrays, increasing. Marked and not sorted: there may be millions."""
    used = np.zeros(1 + max((int(c.max(initial=-1)) for c in columns), default=-1), np.bool_)
    for some in columns:
        used[some] = True
    return np.flatnonzero(used).astype(np.int32)
