"""How large a residual usually is: long memory, heavy tails left in, by level.

The mean of |residual| ** 1.7 over about ten thousand rows, unclipped: past incidents and heavy tails enlarge it, but
less than they would enlarge a variance. Half of it is learnt per bin of the series' own standardised level, because
busy hours are noisier than quiet ones; a bin that has seen few rows leans on the whole series.

Limits: a series whose noise doubles for good is judged by its old scale for some thousand rows.
"""

from __future__ import annotations

import math

from numba import njit

from detectors._memory import BINS, LEVELS, Memory
from detectors._power import power
from detectors.level import SLOW

EXPONENT = 1.7  # between absolute and square, measured on operations data
RATE = 1e-4
BIN_WEIGHT = 0.5  # share of the scale that comes from the bins
PSEUDO_ROWS = 200.0  # weight of the whole series within a bin
BIN_ROWS = 0.25 / RATE  # a bin remembers this many rows
SPAN = 2.0  # bins cover mean +/- 2 standard deviations of the level
RATIO_LIMIT = 1e4  # one residual cannot speak louder


@njit(cache=True, error_model="numpy", inline="always")
def floor_of(m: Memory, i: int) -> float:
    """Smallest scale of series i: a millionth of its size, so that rounding is never an anomaly."""
    return float(1e-6 * m.magnitude[i] + 1e-18)


@njit(cache=True, error_model="numpy")
def bin_position(m: Memory, i: int) -> float:
    """Where the level of series i stands among its bins, in [0, BINS - 1)."""
    u = (m.level[i, SLOW] - m.mean[i]) / (math.sqrt(m.variance[i]) + floor_of(m, i))
    return float(min(max((u + SPAN) / (2.0 * SPAN) * BINS - 0.5, 0.0), BINS - 1.001))


@njit(cache=True, error_model="numpy")
def sigma(m: Memory, i: int, k: int, position: float) -> float:
    """Usual size of the residual from follower k of series i at this level."""
    j = int(position)
    f = position - j
    whole = m.scale[i, k]
    low = (m.bin_rows[i, j] * m.bin_scale[i, j, k] + PSEUDO_ROWS * whole) / (m.bin_rows[i, j] + PSEUDO_ROWS)
    high = (m.bin_rows[i, j + 1] * m.bin_scale[i, j + 1, k] + PSEUDO_ROWS * whole) / (
        m.bin_rows[i, j + 1] + PSEUDO_ROWS
    )
    mixed = BIN_WEIGHT * ((1.0 - f) * low + f * high) + (1.0 - BIN_WEIGHT) * whole
    return power(mixed, 1.0 / EXPONENT) + floor_of(m, i)


@njit(cache=True, error_model="numpy")
def learn(m: Memory, i: int, x: float, position: float) -> None:
    """Learn the sizes of the residuals of x. Call after scoring, before the followers move."""
    j = int(position + 0.5)
    m.bin_rows[i, j] = min(m.bin_rows[i, j] + 1.0, BIN_ROWS)
    rate, bin_rate = max(RATE, 1.0 / m.rows[i]), 1.0 / m.bin_rows[i, j]
    for k in range(LEVELS):
        size = power(abs(x - m.level[i, k]), EXPONENT)
        m.scale[i, k] += rate * (size - m.scale[i, k])
        m.bin_scale[i, j, k] += bin_rate * (size - m.bin_scale[i, j, k])
