"""The Numenta Anomaly Benchmark's score (Lavin and Ahmad 2015, scoring of release 1.1), own implementation.

A row at or above the threshold is a detection. The earliest one in a window earns up to 1, less the later it comes; one
outside costs, less when it follows a window closely; a missed window costs 1. 100 is every window at its first row and
nothing else, 0 is silence. One threshold for all files, chosen with the labels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
FALSE_WEIGHT = {"standard": 0.11, "low FP": 0.22}
THRESHOLDS = 2_000


def nab_score(scores: Sequence[F64], windows: Sequence[I64], profile: str) -> float:
    """The highest score over thresholds; `scores` one array per file, `windows` (k, 2) first and last row of each."""
    pool = np.concatenate([s[np.isfinite(s)] for s in scores])
    share = np.logspace(np.log10(0.5), np.log10(1 / len(pool)), THRESHOLDS)
    grid = np.unique(np.quantile(pool, 1 - share))
    count, total = sum(len(w) for w in windows), np.zeros(len(grid))
    for score, of_file in zip(scores, windows, strict=True):
        worth = _worth(len(score), np.asarray(of_file, np.int64).reshape(-1, 2))
        _add(np.nan_to_num(score, nan=-np.inf, neginf=-np.inf), *worth, FALSE_WEIGHT[profile], grid, total)
    return float(100.0 * max(total.max() - (-count), 0.0) / (count - (-count)))


def _worth(n: int, windows: I64) -> tuple[F64, I64, int]:
    """What a detection at each row is worth, the window it lies in (-1 = none), and the first row that counts."""
    worth, place = np.full(n, -1.0), np.full(n, -1)
    for number, (first, last) in enumerate(windows):
        width, after = last - first + 1, np.arange(last + 1, n)
        past = (after - last) / max(width - 1.0, 1e-9)
        worth[last + 1 :] = np.where(past > 3.0, -1.0, _fall(np.minimum(past, 3.0)))
        rows = np.arange(first, last + 1)
        worth[rows] = _fall((rows - last - 1.0) / width) / _fall(np.array(-1.0))
        place[rows] = number
    return worth, place, int(np.ceil(min(np.floor(0.15 * n), 750.0)))


def _fall(position: F64) -> F64:
    return np.asarray(2.0 / (1.0 + np.exp(5.0 * position)) - 1.0)


@njit(cache=True)
def _add(score: F64, worth: F64, place: I64, start: int, weight: float, grid: F64, total: F64) -> None:  # noqa: PLR0917 - kernel
    """Add what a file is worth at each threshold: detected windows, false detections and missed windows."""
    missed = place.max() + 1
    for h in range(len(grid)):
        seen, sum_, found = -1, 0.0, 0
        for row in range(start, len(score)):
            if score[row] < grid[h]:
                continue
            if place[row] < 0:
                sum_ += weight * worth[row]
            elif place[row] != seen:
                seen = place[row]
                found += 1
                sum_ += worth[row]
        total[h] += sum_ - (missed - found)
