"""From which rarity on each series' rows are looked at, and which series belong to a service."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from aiops.detection.changes import EASE, Change
from aiops.model import F64
from aiops.series import SeriesTable
from detectors.rarity import rarity_threshold


class Limits:
    """Thresholds of rarity per column; lower where a change is being watched.

    Parameters
    ----------
    page, evidence : for signals that page, and for those that only explain

    Attributes
    ----------
    paging : how many series may page
    """

    def __init__(self, table: SeriesTable, page: float, evidence: float) -> None:
        self.usual = np.zeros(0)
        self.paging = 0
        self.table, self._page, self._evidence = table, page, evidence
        self._columns: dict[str, list[int]] = {}
        self._may_page = np.zeros(0, np.bool_)

    def grow(self, n: int) -> None:
        """Take in the series up to number n."""
        first = len(self.usual)
        if n <= first:
            return
        self._may_page = np.concatenate([self._may_page, np.zeros(n - first, np.bool_)])
        self.usual = np.concatenate([self.usual, np.zeros(n - first)])
        self.adopt(range(first, n))

    def adopt(self, columns: Sequence[int]) -> None:
        """Take in the series that have these columns now."""
        for column in columns:
            self._columns.setdefault(self.table.key(column).service, []).append(column)
        may_page = np.fromiter((self.table.signal(column).pages for column in columns), np.bool_, len(columns))
        self._may_page[columns] = may_page
        self.usual[columns] = np.where(may_page, self._page, self._evidence)
        self.paging = int(self._may_page.sum())

    def forget(self, columns: Sequence[int]) -> None:
        """Let go of series."""
        gone = set(columns)
        for service in {self.table.key(column).service for column in columns}:
            kept = [column for column in self._columns.pop(service) if column not in gone]
            if kept:
                self._columns[service] = kept
        self._may_page[list(columns)] = False
        self.paging = int(self._may_page.sum())

    def share(self, pages_per_day: float, others: int) -> None:
        """Let all series that may page, these and `others`, open no more than so many false pages together."""
        together = max(self.paging + others, 1)
        self.usual[self._may_page] = max(self._page, rarity_threshold(pages_per_day / together))

    @property
    def lowest(self) -> float:
        """The rarity below which no row of any series is looked at, also while a change is watched."""
        return float(self.usual.min(initial=np.inf)) - EASE

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
