"""Error ratios of which the number of requests is known: chance is judged as what it is.

The bank knows a ratio as a line of numbers, with the heavy tails that numbers have. Of a service with six requests a
minute one failure is a jump to 8 %, and half an hour of 30 % lies in the tail of such jumps. Counts tell the two apart:
a ratio is as rare as chance makes it at its number of requests, were the true share the expected one; where chance
hardly makes it, the bank's rarity counts, and `BEYOND_CHANCE` more.
"""

from __future__ import annotations

import math

import numpy as np

from aiops.model import F64, Labels
from aiops.series import SeriesTable
from detectors.rarity import rarity_threshold
from detectors.shares import share_edge, share_surprise

BEYOND_CHANCE = 1.0  # rarity: what chance cannot do is ten times rarer than the bank's heavy tails have it, measured
WORTH_A_LOOK = -1.0  # rarity: what comes ten times a day is told by no budget, whatever is added
WINDOW_S, WINDOW_STEPS = 60.0, 4.0  # a ratio counts the requests of so long, unless its source is set otherwise
DAY_S = 86_400.0
MONTH = rarity_threshold(1 / 30)
REQUESTS = "req/s"  # the unit of signals that count requests, as the packs call it


class Shares:
    """The error ratios of a table, each with the series that counts its requests.

    Parameters
    ----------
    step_s : distance of rows in seconds
    """

    def __init__(self, table: SeriesTable, step_s: float) -> None:
        self._table = table
        self._window_s = max(WINDOW_S, WINDOW_STEPS * step_s)
        self._daily = math.log10(DAY_S / step_s)
        self._known = 0
        self._requests: dict[tuple[str, str, Labels], int] = {}
        self._ratios: dict[tuple[str, str, Labels], int] = {}
        self._pairs: list[tuple[int, int]] = []

    def grow(self, n: int) -> None:
        """Take in the series up to number n."""
        for column in range(self._known, n):
            key, signal = self._table.key(column), self._table.signal(column)
            place = (key.service, key.peer, key.labels)
            if signal.kind == "traffic" and signal.unit == REQUESTS:
                self._requests[place] = column
            elif signal.kind == "errors" and signal.unit == "ratio":
                self._ratios[place] = column
        self._known = n
        self._pairs = [(column, self._requests[p]) for p, column in self._ratios.items() if p in self._requests]

    def judge(self, rarity: F64, values: F64, expected: F64, upper: F64) -> None:
        """Correct rarity and upper edge of error ratios in place. All arrays (t, n); what is not known stays as it is.

        The edge is where chance alone would open a page in 30 days, unless the bank's is lower: numbers have tails that
        reach beyond 100 %.
        """
        if not self._pairs:
            return
        columns = np.array([column for column, _ in self._pairs])
        for i, k in np.argwhere(rarity[:, columns] >= WORTH_A_LOOK):
            column, requests = self._pairs[k]
            least = self._table.signal(column).min_absolute
            usual = max(float(expected[i, column]), least)
            of = float(values[i, requests]) * self._window_s
            by_chance = share_surprise(float(values[i, column]), of, usual) - self._daily
            if not math.isnan(by_chance):
                rarity[i, column] = min(rarity[i, column] + BEYOND_CHANCE, by_chance)
                upper[i, column] = min(upper[i, column], share_edge(of, usual, MONTH + self._daily))
