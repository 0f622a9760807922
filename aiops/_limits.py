"""From which rarity on each series' rows are looked at, and which series belong to a service."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from aiops._changes import EASE, Change
from aiops.model import F64, Signal
from aiops.series import SeriesTable


class Limits:
    """Thresholds of rarity per column; lower where a change is being watched.

    Parameters
    ----------
    page, evidence : for signals that page, and for those that only explain
    """

    def __init__(self, table: SeriesTable, page: float, evidence: float) -> None:
        self.usual = np.zeros(0)
        self._table, self._page, self._evidence = table, page, evidence
        self._columns: dict[str, list[int]] = {}

    def grow(self, n: int) -> None:
        """Take in the series up to number n."""
        first = len(self.usual)
        if n <= first:
            return
        for column in range(first, n):
            self._columns.setdefault(self._table.key(column).service, []).append(column)
        added = [self._of(self._table.signal(column)) for column in range(first, n)]
        self.usual = np.concatenate([self.usual, added])

    def columns(self, service: str) -> list[int]:
        """The series of a service."""
        return self._columns.get(service, [])

    def eased(self, changes: Iterable[Change]) -> F64:
        """The thresholds, lower for the services of these changes."""
        watched = sorted({column for change in changes for column in self.columns(change.service)})
        if not watched:
            return self.usual
        limits = self.usual.copy()
        limits[watched] -= EASE
        return limits

    def _of(self, signal: Signal) -> float:
        return self._page if signal.pages else self._evidence
