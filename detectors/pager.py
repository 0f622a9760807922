"""The pager: which rows open a page at a threshold of rarity, as somebody on call would see them."""

from __future__ import annotations

import numpy as np

from detectors._base import F64, I64
from detectors._clock import quiet_s, repeat_s

STEPS_LOOKED_AT = 1_000  # distances behind the estimate of the sampling step


def page_rows(times: I64, rarity: F64, threshold: float) -> I64:
    """Row numbers at which a page opens.

    A row fires when its rarity is at least the threshold. A firing row opens a page unless an alert is active: one that
    fired within the quiet time (max(1 h, 3 steps)) and was opened less than max(4 h, 12 steps) ago. The step is the
    median distance of the rows so far, at most the last 1,000.

    Parameters
    ----------
    times : (t,) unix ms, increasing
    rarity : (t,) NaN never fires

    Examples
    --------
    >>> minutes = np.arange(200) * 60_000
    >>> rarity = np.full(200, -1.0)
    >>> rarity[[10, 40, 150]] = 2.0
    >>> page_rows(minutes, rarity, 1.48).tolist()
    [10, 150]
    """
    pages: list[int] = []
    last_s = opened_s = -np.inf
    for row in np.flatnonzero(rarity >= threshold):
        now_s, step_s = float(times[row]) / 1e3, _step_s(times, int(row))
        if now_s - last_s > quiet_s(step_s) or now_s - opened_s >= repeat_s(step_s):
            pages.append(int(row))
            opened_s = now_s
        last_s = now_s
    return np.array(pages, np.int64)


def _step_s(times: I64, row: int) -> float:
    distances = np.diff(times[max(0, row - STEPS_LOOKED_AT) : row + 1])
    return float(np.median(distances)) / 1e3 if len(distances) else 0.0
