"""The page metric: what somebody on call would see of a score, own implementation in one pass over all thresholds.

A row fires at a threshold when its score reaches it; an alert stays active until nothing fired for max(1 h, 3 steps)
and pages again after max(4 h, 12 steps). A page inside a labelled window (two rows wider on both sides) detects it
once; a page outside all is false. The first min(15 %, 3 days) of a series are warm-up.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numba import njit
from numpy.typing import NDArray

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
DAY_S = 86_400.0
BUDGETS = {"day": 1.0, "week": 1 / 7, "30 d": 1 / 30}


@dataclass(frozen=True, slots=True)
class Labelled:
    """One labelled series: times that stand still where the clock went back, values (n, channels), place per row.

    `place` is the number of the window a row lies in, -1 = none. Rows before `start` are not judged; those before
    `first` belong to a training part.
    """

    name: str
    times_s: F64
    values: F64
    start: int
    place: I64
    windows: I64
    days: float
    first: int = 0


def load(folder: Path) -> list[Labelled]:
    """All series of a data set."""
    import pandas as pd

    labels = json.loads((folder / "labels.json").read_text())
    file = next(folder.glob("*.parquet"))
    frame = pd.read_parquet(file)
    groups = frame.groupby(frame.columns[0], observed=True, sort=False)
    grace = 0 if folder.name == "nab" else 2
    return [_labelled(str(name), rows, labels[str(name)], grace) for name, rows in groups]


def _labelled(name: str, rows: object, label: dict[str, object], grace: int) -> Labelled:
    times = np.maximum.accumulate(rows["timestamp"].to_numpy(np.float64))  # type: ignore[index]
    values = rows.iloc[:, 2:].to_numpy(np.float64)  # type: ignore[attr-defined]
    warm_s = min(3 * DAY_S, 0.15 * (times[-1] - times[0]))
    start = int(np.searchsorted(times, times[0] + warm_s))
    first = 0
    if "test_rows" in label:
        start = first = label["test_rows"][0]  # type: ignore[index]
    windows = np.array([w for w in label["windows"] if w[1] >= start], np.int64).reshape(-1, 2)  # type: ignore[attr-defined]
    place = np.full(len(times), -1, np.int64)
    for number, (begin, end) in enumerate(windows):
        place[max(0, begin - grace) : end + grace + 1] = number
    return Labelled(name, times, values, start, place, windows, (times[-1] - times[start]) / DAY_S, first)


@njit(cache=True)
def _pages(times_s: F64, score: F64, start: int, place: I64, step_s: float, grid: F64) -> tuple[F64, F64]:  # noqa: PLR0917 - kernel
    k = len(grid)
    found, false = np.zeros(k), np.zeros(k)
    last, opened, seen = np.full(k, -1e18), np.full(k, -1e18), np.full(k, -1)
    quiet, repeat = max(3_600.0, 3 * step_s), max(14_400.0, 12 * step_s)
    for row in range(start, len(times_s)):
        now = times_s[row]
        for h in range(k):
            if not score[row] >= grid[h]:
                break
            if now - last[h] > quiet or now - opened[h] >= repeat:
                opened[h] = now
                if place[row] < 0:
                    false[h] += 1
                elif seen[h] != place[row]:
                    seen[h] = place[row]
                    found[h] += 1
            last[h] = now
    return found, false


@dataclass(frozen=True, slots=True)
class Curves:
    """Detected events and false pages (series, thresholds), events and days (series,)."""

    grid: F64
    found: F64
    false: F64
    events: F64
    days: F64

    def some(self, which: NDArray[np.bool_]) -> Curves:
        """The same for some of the series."""
        return Curves(self.grid, self.found[which], self.false[which], self.events[which], self.days[which])

    def best(self, pages_per_day: float) -> tuple[float, float]:
        """Highest recall within a budget of false pages, and the precision there, in percent."""
        rate = self.false.sum(0) / self.days.sum()
        recall = self.found.sum(0) / max(self.events.sum(), 1)
        within = np.where(rate <= pages_per_day, recall, -1.0)
        at = int(np.lexsort((rate, -within))[0])
        told = self.found[:, at].sum() + self.false[:, at].sum()
        return 100 * float(recall[at]), 100 * float(self.found[:, at].sum() / max(told, 1))

    def over_promise(self, threshold: float, pages_per_day: float) -> float:
        """False pages at a threshold as a multiple of those promised."""
        at = int(np.searchsorted(self.grid, threshold - 1e-9))
        return float(self.false[:, at].sum() / self.days.sum() / pages_per_day)

    def recall_at(self, threshold: float) -> float:
        """Recall at a threshold, in percent."""
        at = int(np.searchsorted(self.grid, threshold - 1e-9))
        return 100 * float(self.found[:, at].sum() / max(self.events.sum(), 1))


def curves(series: Sequence[Labelled], scores: Sequence[F64], grid: F64 | None = None) -> Curves:
    """Pages of all series at the thresholds of `grid`; without one at those the metric defines, see `thresholds`."""
    if grid is None:
        grid = thresholds(series, scores)
    found, false = [], []
    for one, score in zip(series, scores, strict=True):
        step_s = float(np.median(np.diff(one.times_s)))
        a, b = _pages(one.times_s, np.nan_to_num(score, nan=-1e18), one.start, one.place, step_s, grid)
        found.append(a)
        false.append(b)
    events = np.array([len(one.windows) for one in series], float)
    return Curves(grid, np.array(found), np.array(false), events, np.array([one.days for one in series]))


def thresholds(series: Sequence[Labelled], scores: Sequence[F64]) -> F64:
    """120 log-spaced quantiles of the highest quarter of each series' scores; rows that are not judged have none."""
    judged = [np.where(np.arange(len(s)) < one.start, -np.inf, s) for one, s in zip(series, scores, strict=True)]
    lowest = [np.where(np.isfinite(s), s, -np.inf)[one.first :] for one, s in zip(series, judged, strict=True)]
    highest = [np.sort(s)[::-1][: max(1, int(0.25 * len(s)))] for s in lowest]
    pool = np.concatenate(highest)
    pool = pool[np.isfinite(pool)]
    share = np.logspace(np.log10(0.25), np.log10(1 / len(pool)), 120)
    return np.asarray(np.unique(np.quantile(pool, 1 - share)))


def point_f1(series: Sequence[Labelled], scores: Sequence[F64]) -> float:
    """Highest F1 row by row, one threshold per series, no point adjustment; mean over series."""
    each = []
    for one, score in zip(series, scores, strict=True):
        label = np.zeros(len(score), bool)
        for first, last in one.windows:
            label[first : last + 1] = True
        order = np.argsort(-np.nan_to_num(score[one.start :], nan=-1e18), kind="stable")
        hits = np.cumsum(label[one.start :][order])
        each.append(float(np.max(2 * hits / (np.arange(1, len(hits) + 1) + max(hits[-1], 1)))))
    return float(np.mean(each))
