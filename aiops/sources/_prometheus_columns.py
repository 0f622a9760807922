"""Where the series of many answers go in one block."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from aiops.model import F64, I64, Block, Labels, SeriesKey
from aiops.packs import Recipe
from aiops.packs.keys import Owners, series_key
from aiops.series import SeriesTable
from aiops.sources._range import Matrix

NAME_CHARS = 1024
"""Longest name of a watched series, all labels together. Chosen: Kubernetes names end at 253."""

REMEMBERED = 300_000
"""Label sets whose column is remembered; three times the usual limit of watched series. Chosen."""


class Columns:
    """Gives every result series its column and joins answers into blocks.

    Blocks have one column for every series of the table, so that a series that has vanished is missing, not left out.
    """

    def __init__(self, table: SeriesTable, recipes: Sequence[Recipe]) -> None:
        self.table, self.recipes = table, recipes
        self.counts: Counter[str] = Counter()
        self._owners = Owners()
        self._remembered: dict[tuple[int, Labels], int] = {}

    def block(self, times: I64, answers: Sequence[Matrix | None]) -> Block:
        """Join one answer per recipe (None: it has none), all with the same times."""
        self._let_go(self.table.unname())
        ids = [self._ids(number, answer) for number, answer in enumerate(answers)]
        values = np.full((len(times), self.table.width), np.nan)
        for columns, answer in zip(ids, answers, strict=True):
            if answer is not None:
                self._fill(values, columns, answer.values)
        return Block(times, np.arange(values.shape[1], dtype=np.int32), values)

    def drain(self) -> Counter[str]:
        """What was counted since the last call."""
        counts, self.counts = self.counts, Counter()
        return counts

    def _let_go(self, gone: Sequence[int]) -> None:
        """Leave nothing of series that have stopped; there may be room now for some that were left out."""
        if gone:
            numbers = {-1, *gone}
            self._owners.let_go({self.table.key(number) for number in gone})
            self._remembered = {of: column for of, column in self._remembered.items() if column not in numbers}

    def _ids(self, number: int, answer: Matrix | None) -> I64:
        if answer is None:
            return np.zeros(0, np.int64)
        return np.array([self._column(number, labels) for labels in answer.labels], np.int64)

    def _column(self, number: int, labels: Labels) -> int:
        column = self._remembered.get((number, labels))
        if column is None:
            if len(self._remembered) >= REMEMBERED:
                self._remembered.clear()
            column = self._remembered[number, labels] = self._new(self.recipes[number], labels)
        return column

    def _new(self, recipe: Recipe, labels: Labels) -> int:
        key = series_key(recipe, dict(labels))
        if key is None:
            return self._dropped("no_service")
        if _length(key) > NAME_CHARS:
            return self._dropped("label_too_long")
        if self.table.find(key) is None and len(self.table) >= self.table.limit:
            self.table.add(key, recipe.signal)
            return self._dropped("table_full")
        if not self._owners.take(key, recipe):
            return self._dropped("other_recipe")
        return self.table.add(key, recipe.signal)

    def _dropped(self, reason: str) -> int:
        self.counts[reason] += 1
        return -1

    def _fill(self, values: F64, columns: I64, found: F64) -> None:
        kept = np.flatnonzero(columns >= 0)
        once, first = np.unique(columns[kept], return_index=True)
        values[:, once] = found[:, kept[first]]
        for extra in np.delete(kept, first):
            # Two results for one watched series: the first one counts, the other fills its gaps.
            self.counts["same_key"] += 1
            column = values[:, columns[extra]]
            np.copyto(column, found[:, extra], where=np.isnan(column))


def _length(key: SeriesKey) -> int:
    return len(key.service) + len(key.peer) + sum(len(value) for _, value in key.labels)
