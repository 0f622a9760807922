"""Followers of a series' level: the last value and three exponential averages.

A value is odd when it is far from where followers of very different speed expect it: the last value sees steps, the
fast average bursts, the slow ones humps and drifts. Rates are start-safe, `max(rate, 1/rows)`, so that the first value
weighs no more than the others. A follower's level is kept as its offset, the last value less the level: the next
residual is the step of the value plus the offset, and the next offset what the follower leaves of that residual.

Limits: a slow drift is followed, not reported, unless it outruns the slowest follower.
"""

from __future__ import annotations

from numba import njit

from detectors._memory import LEVELS, Memory, Series

NAMES = ("step", "burst", "level", "drift")
"""What a deviation from each follower is called in explanations."""

RATES = (1.0, 0.2, 0.035, 0.005)  # 1 = the last value; memory of 5, 29 and 200 rows
SLOW = 2  # the follower whose level is standardised to choose a bin, see scale.py
MEAN_RATE = 2e-4
MAGNITUDE_RATE = 1e-4
VARIANCE_LIMIT = 1e37  # what a 32-bit float holds


@njit(cache=True, error_model="numpy", inline="always")
def follow(s: Series, x: float, safe: float) -> None:
    """Let all followers of a series learn x. Call after scoring it; `safe` is one over the rows so far."""
    step = x - s.last
    rate = max(MEAN_RATE, safe)
    stray = float(s.stray)
    s.variance = min((1.0 - rate) * (s.variance + rate * stray * stray), VARIANCE_LIMIT)
    slow_rate = max(RATES[SLOW], safe)
    s.stray = stray - rate * stray + slow_rate * (step + s.offset[SLOW])
    for k in range(1, LEVELS):
        s.offset[k] = (1.0 - max(RATES[k], safe)) * (step + s.offset[k])
    s.last = x
    s.magnitude += max(MAGNITUDE_RATE, safe) * (abs(x) - s.magnitude)


@njit(cache=True, error_model="numpy", inline="always")
def follow_recent(s: Series, step: float, safe: float, learns: bool) -> None:  # noqa: FBT001 - kernels take no keywords
    """Let the level that goes on while a column is frozen learn a value, `step` away from the last learnt one."""
    rate = max(RATES[1], safe)
    residual = step + s.recent
    s.recent = (1.0 - rate) * residual if learns else s.recent - rate * residual


@njit(cache=True)
def settle(m: Memory, i: int) -> None:
    """Take the recent level of a series as its normal one: all followers jump to it."""
    s = m[i]
    s.last -= s.recent
    s.recent = s.stray = 0.0
    for k in range(LEVELS):
        s.offset[k] = 0.0
