"""The band outside of which a value would be odd: the oddness formula, solved for the value.

Oddness is a weighted sum of distances from the followers' levels: convex, piecewise linear, with a kink at each level
and its minimum at their weighted median. Beyond all levels it is the total weight times the distance from the weighted
mean, so that the borders are usually found at once. The expected value is that mean.
"""

from __future__ import annotations

from numba import njit

from detectors._base import F64
from detectors._memory import LEVELS, Series


@njit(cache=True, error_model="numpy", inline="always")
def band(s: Series, weights: F64, kinks: F64, limit: float, out: F64) -> None:
    """Write expected value, lower and upper border of a series to out[2:5].

    Parameters
    ----------
    weights : (LEVELS,) of the followers
    kinks : (2, LEVELS) room for the sorted levels and their weights
    limit : sum of weighted distances at the borders; NaN gives NaN. When every value would be odder than this, both
        borders are the median
    """
    total = weights[0]
    moment = low = high = 0.0
    for k in range(1, LEVELS):
        level = -float(s.offset[k])
        total += weights[k]
        moment += weights[k] * level
        low, high = min(low, level), max(high, level)
    each = 1.0 / total
    middle, half = moment * each, limit * each
    out[2], out[3], out[4] = middle, middle - half, middle + half
    if out[3] > low or out[4] < high:
        _walk(s, weights, kinks, limit, out)
    out[2] += s.last
    out[3] += s.last
    out[4] += s.last


@njit(cache=True, error_model="numpy")
def _walk(s: Series, weights: F64, kinks: F64, limit: float, out: F64) -> None:
    """Find borders that lie between the levels: go from the weighted median outwards, piece by piece."""
    _sort(s, weights, kinks)
    total = kinks[1].sum()
    middle, below = 0, kinks[1, 0]
    while 2.0 * below < total and middle < LEVELS - 1:
        middle += 1
        below += kinks[1, middle]
    least = 0.0
    for k in range(LEVELS):
        least += kinks[1, k] * abs(kinks[0, k] - kinks[0, middle])
    out[3] = _border(kinks, middle, total - 2.0 * (below - kinks[1, middle]), limit - least, -1)
    out[4] = _border(kinks, middle, 2.0 * below - total, limit - least, 1)


@njit(cache=True, error_model="numpy")
def _sort(s: Series, weights: F64, kinks: F64) -> None:
    for k in range(LEVELS):
        level, weight, at = -float(s.offset[k]), weights[k], k
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
