"""Followers of a series' level: the last value and three exponential averages.

A value is odd when it is far from where followers of very different speed expect it: the last value sees steps, the
fast average bursts, the slow ones humps and drifts. Rates are start-safe, `max(rate, 1/rows)`, so that the first value
weighs no more than the others.

Limits: a slow drift is followed, not reported, unless it outruns the slowest follower.
"""

from __future__ import annotations

from numba import njit

from detectors._base import F64
from detectors._memory import F32, LEVEL, LEVELS, MAGNITUDE, MEAN, RECENT, ROWS, VARIANCE

NAMES = ("step", "burst", "level", "drift")
"""What a deviation from each follower is called in explanations."""

RATES = (1.0, 0.2, 0.035, 0.005)  # 1 = the last value; memory of 5, 29 and 200 rows
SLOW = 2  # the follower whose level is standardised to choose a bin, see scale.py
MEAN_RATE = 2e-4
MAGNITUDE_RATE = 1e-4


@njit(cache=True, error_model="numpy", inline="always")
def follow(d: F64, f: F32, x: float) -> None:
    """Let all followers of a series learn x. Call after scoring it."""
    safe = 1.0 / d[ROWS]
    for k in range(LEVELS):
        d[LEVEL + k] += max(RATES[k], safe) * (x - d[LEVEL + k])
    f[MAGNITUDE] += max(MAGNITUDE_RATE, safe) * (abs(x) - f[MAGNITUDE])


@njit(cache=True, error_model="numpy", inline="always")
def follow_mean(d: F64, f: F32) -> None:
    """Learn mean and variance of the slow level of a series, as it was before the current row."""
    rate = max(MEAN_RATE, 1.0 / d[ROWS])
    delta = d[LEVEL + SLOW] - d[MEAN]
    d[MEAN] += rate * delta
    f[VARIANCE] = (1.0 - rate) * (f[VARIANCE] + rate * delta * delta)


@njit(cache=True)
def settle(d: F64) -> None:
    """Take the recent level of a series as its normal one: all followers jump to it."""
    for k in range(LEVELS):
        d[LEVEL + k] = d[RECENT]
    d[MEAN] = d[RECENT]
