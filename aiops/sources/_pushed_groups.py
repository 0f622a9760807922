"""Which raw series make up which groups of a recipe: kept sorted, so that a new series costs a search and a copy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aiops.model import F64, I32, I64, Bools

_SORT_SHARE = 8
"""With more than one new series to so many old ones everything is sorted anew. Chosen: an insertion costs a few
microseconds of Python, sorting a tenth of one per series."""


@dataclass(frozen=True, slots=True)
class Grouping:
    """Columns sorted by group, and by bucket bound within one.

    Parameters
    ----------
    columns : (c,) raw numbers
    starts : (p + 1,) where each bucket (each group, if there are no buckets) begins in `columns`
    bounds : (p,) upper bound of each bucket
    groups : (g + 1,) where each group begins among the buckets
    """

    columns: I32
    starts: I64
    bounds: F64
    groups: I64


class Members:
    """Raw series of one side of a recipe, each with its group and bucket; equal ones in the order they came.

    >>> members = Members()
    >>> for column, group, bound in ((7, 1, 0.5), (4, 0, 0.5), (5, 1, 0.1)):
    ...     members.add(column, group, bound)
    >>> grouping = members.grouping(2)
    >>> grouping.columns, grouping.groups
    (array([4, 5, 7], dtype=int32), array([0, 1, 3]))
    """

    def __init__(self) -> None:
        self._columns: I32 = np.zeros(0, np.int32)
        self._groups: I64 = np.zeros(0, np.int64)
        self._bounds: F64 = np.zeros(0)
        self._new: list[tuple[int, int, float]] = []
        self._grouping: Grouping | None = None

    def add(self, column: int, group: int, bound: float) -> None:
        """Take in a raw series."""
        self._new.append((column, group, bound))
        self._grouping = None

    def columns(self) -> I32:
        """Raw series, sorted by group and bound."""
        self._settle()
        return self._columns

    def groups_of(self, wanted: Bools) -> I64:
        """Groups with a raw series that is wanted; (width,) by raw number."""
        self._settle()
        return np.unique(self._groups[wanted[self._columns]])

    def drop(self, gone: Bools, renumbered: I64) -> None:
        """Let go of raw series; groups get new numbers in the same order."""
        self._settle()
        kept = ~gone[self._columns]
        self._columns, self._bounds = self._columns[kept], self._bounds[kept]
        self._groups = renumbered[self._groups[kept]]
        self._grouping = None

    def grouping(self, groups: int) -> Grouping:
        """Where groups and buckets begin, for so many groups."""
        self._settle()
        if self._grouping is None or len(self._grouping.groups) != groups + 1:
            group, bounds = self._groups, self._bounds
            is_first = np.ones(len(group), np.bool_)
            is_first[1:] = (group[1:] != group[:-1]) | (bounds[1:] != bounds[:-1])
            first = np.flatnonzero(is_first)
            starts = np.append(first, len(group)).astype(np.int64)
            begins = np.searchsorted(group[first], np.arange(groups + 1))
            self._grouping = Grouping(self._columns, starts, bounds[first], begins)
        return self._grouping

    def snapshot(self) -> dict[str, NDArray[np.generic]]:
        """All of it."""
        self._settle()
        return {"columns": self._columns, "groups": self._groups, "bounds": self._bounds}

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Take up a snapshot."""
        self._columns, self._groups = state["columns"].astype(np.int32), state["groups"].astype(np.int64)
        self._bounds = state["bounds"].astype(np.float64)

    def _settle(self) -> None:
        if not self._new:
            return
        new = sorted(self._new, key=lambda one: one[1:])
        columns, groups, bounds = (np.array(x) for x in zip(*new, strict=True))
        self._new = []
        if len(new) * _SORT_SHARE > len(self._columns):
            all_groups, all_bounds = np.append(self._groups, groups), np.append(self._bounds, bounds)
            order = np.lexsort((all_bounds, all_groups))
            self._columns = np.append(self._columns, columns.astype(np.int32))[order]
            self._groups, self._bounds = all_groups[order], all_bounds[order]
            return
        places = [self._place(group, bound) for _, group, bound in new]
        self._columns = np.insert(self._columns, places, columns)
        self._groups = np.insert(self._groups, places, groups)
        self._bounds = np.insert(self._bounds, places, bounds)

    def _place(self, group: int, bound: float) -> int:
        begin, end = np.searchsorted(self._groups, (group, group + 1))
        return int(begin + np.searchsorted(self._bounds[begin:end], bound, side="right"))
