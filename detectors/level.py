"""Followers of a series' level: the last value and three exponential averages.

A value is odd when it is far from where followers of very different speed expect it: the last value sees steps, the
fast average bursts, the slow ones humps and drifts. Rates are start-safe, `max(rate, 1/rows)`, so that the first value
weighs no more than the others.

Limits: a slow drift is followed, not reported, unless it outruns the slowest follower.
"""

from __future__ import annotations

from numba import njit

from detectors._memory import LEVELS, Memory

NAMES = ("step", "burst", "level", "drift")
"""What a deviation from each follower is called in explanations."""

RATES = (1.0, 0.2, 0.035, 0.005)  # 1 = the last value; memory of 5, 29 and 200 rows
SLOW = 2  # the follower whose level is standardised to choose a bin, see scale.py
MEAN_RATE = 2e-4
MAGNITUDE_RATE = 1e-4


@njit(cache=True, error_model="numpy")
def follow(m: Memory, i: int, x: float) -> None:
    """Let all followers of series i learn x. Call after scoring it."""
    safe = 1.0 / m.rows[i]
    for k in range(LEVELS):
        m.level[i, k] += max(RATES[k], safe) * (x - m.level[i, k])
    m.magnitude[i] += max(MAGNITUDE_RATE, safe) * (abs(x) - m.magnitude[i])


@njit(cache=True, error_model="numpy")
def follow_mean(m: Memory, i: int) -> None:
    """Learn mean and variance of the slow level of series i, as it was before the current row."""
    rate = max(MEAN_RATE, 1.0 / m.rows[i])
    delta = m.level[i, SLOW] - m.mean[i]
    m.mean[i] += rate * delta
    m.variance[i] = (1.0 - rate) * (m.variance[i] + rate * delta * delta)


@njit(cache=True)
def settle(m: Memory, i: int) -> None:
    """Take the recent level of series i as its normal one: all followers jump to it."""
    for k in range(LEVELS):
        m.level[i, k] = m.recent[i]
    m.mean[i] = m.recent[i]
