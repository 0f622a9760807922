"""Oddness -> surprise: by how many of this series' own rows were as odd.

Rows at or above each mark are counted for as long as the series lives (a million rows, then halved). Between marks
the share of rows is a power law. Beyond the highest mark that enough rows have reached the law goes on with a slope
that grows as it grew over the last marks there, and is at least the slope all series share: a light tail stays light.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from detectors._marks import LOG2_RATIO, LOG10_OF_2, MARK
from detectors._memory import MARKS, Series
from detectors._power import log2

PRIOR_ROWS = 50.0  # weight of the shared tail, chosen: it is gone after a few hundred rows
PRIOR_SLOPE = 4.0  # of the shared tail, between noise (8) and operations data (2 to 3)
PRIOR_SHARE = 0.15  # of rows at or above mark 1
PRIOR = PRIOR_ROWS * PRIOR_SHARE * MARK**-PRIOR_SLOPE
FEW_ROWS = 6.0  # a mark reached less often is extrapolated
REMEMBERED_ROWS = 2e6  # halved beyond: half of it is remembered, and floats still count exactly


@njit(cache=True, error_model="numpy", inline="always")
def count_row(s: Series, marks: int) -> None:
    """Learn that a series had a row at or above the first `marks` marks."""
    s.rows_counted += 1.0
    for h in range(marks):
        s.rows_above[h] += np.float32(1.0)
    if s.rows_counted >= REMEMBERED_ROWS:
        s.rows_counted *= 0.5
        for h in range(MARKS):
            s.rows_above[h] *= np.float32(0.5)


@njit(cache=True, error_model="numpy", inline="always")
def log2_share(s: Series, h: int) -> float:
    """log2 of the share of rows at or above a mark; the shared tail stands in while there are few."""
    return float(log2((s.rows_above[h] + PRIOR[h]) / (s.rows_counted + PRIOR_ROWS)))


@njit(cache=True, error_model="numpy", inline="always")
def surprise(s: Series, odd: float, position: float) -> float:
    """-log10 of the share of rows this odd on a series; `position` is that of the oddness among the marks."""
    if odd < 1.0:
        above = (s.rows_above[0] + PRIOR[0]) / (s.rows_counted + PRIOR_ROWS)
        return float(-LOG10_OF_2 * log2(1.0 - odd * (1.0 - above)))
    top = int(position)
    if s.rows_above[top + 1] >= FEW_ROWS:
        low, high = log2_share(s, top), log2_share(s, top + 1)
        return float(-LOG10_OF_2 * (low + (position - top) * (high - low)))
    while top > 0 and s.rows_above[top] < FEW_ROWS:
        top -= 1
    base = log2_share(s, top)
    slope = PRIOR_SLOPE * LOG2_RATIO
    if top > 1:
        before, last = log2_share(s, top - 1), log2_share(s, top - 2)
        slope = max(slope, 2.0 * (before - base) - max(last - before, 0.0), before - base)
    return float(-LOG10_OF_2 * (base - (position - top) * slope))
