"""The band outside of which a value would be odd: the oddness formula, solved for the value.

Oddness is a weighted sum of distances from the followers' levels: convex, piecewise linear, with a kink at each level
and its minimum at their weighted median.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from detectors._base import F64
from detectors._memory import LEVEL, LEVELS


@njit(cache=True, error_model="numpy")
def band(d: F64, weights: F64, kinks: F64, limit: float, out: F64) -> None:
    """Write expected value, lower and upper border of a series to out[2:5].

    Parameters
    ----------
    weights : (LEVELS,) of the followers
    kinks : (2, LEVELS) room for the sorted levels and their weights
    limit : sum of weighted distances at the borders; NaN = no borders. When even the median is odder than this, no
        value would be ordinary and both borders are the median
    """
    _sort(d, weights, kinks)
    total = kinks[1].sum()
    middle, below = 0, kinks[1, 0]
    while 2.0 * below < total and middle < LEVELS - 1:
        middle += 1
        below += kinks[1, middle]
    centre = kinks[0, middle]
    least = 0.0
    for k in range(LEVELS):
        least += kinks[1, k] * abs(kinks[0, k] - centre)
    out[2] = centre
    if not np.isnan(limit):
        out[3] = _border(kinks, middle, total - 2.0 * (below - kinks[1, middle]), limit - least, -1)
        out[4] = _border(kinks, middle, 2.0 * below - total, limit - least, 1)


@njit(cache=True, error_model="numpy")
def _sort(d: F64, weights: F64, kinks: F64) -> None:
    for k in range(LEVELS):
        level, weight, at = d[LEVEL + k], weights[k], k
        while at > 0 and kinks[0, at - 1] > level:
            kinks[0, at], kinks[1, at] = kinks[0, at - 1], kinks[1, at - 1]
            at -= 1
        kinks[0, at], kinks[1, at] = level, weight


@njit(cache=True, error_model="numpy")
def _border(kinks: F64, start: int, slope: float, left: float, side: int) -> float:
    """Walk from the median to one side until the sum has risen by `left`; `slope` is that of the first piece."""
    at, k = kinks[0, start], start + side
    if left <= 0.0:
        return float(at)
    while 0 <= k < LEVELS and abs(kinks[0, k] - at) * slope <= left:
        left -= abs(kinks[0, k] - at) * slope
        at = kinks[0, k]
        slope += 2.0 * kinks[1, k]
        k += side
    return float(at + side * left / slope)
