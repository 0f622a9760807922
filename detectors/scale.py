"""How large a residual usually is: long memory, heavy tails left in, by level.

The mean of |residual| ** 1.75 over about ten thousand rows, unclipped: past incidents and heavy tails enlarge it, but
less than they would enlarge a variance. Half of it is learnt per bin of the series' own standardised level, because
busy hours are noisier than quiet ones; a bin that has seen few rows leans on the whole series.

Limits: a series whose noise doubles for good is judged by its old scale for some thousand rows.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from detectors._base import F64
from detectors._memory import BINS, LEVELS, PACES, Series
from detectors._power import power
from detectors.constants import Constants

EXPONENT = 1.75  # between absolute and square, measured on operations data; a product of two square roots
RATE = 1e-4
BIN_WEIGHT = 0.5  # share of the scale that comes from the bins
PSEUDO_ROWS = 200.0  # weight of the whole series within a bin
BIN_MEMORY_ROWS = 2_500  # a bin remembers this many rows, a quarter of what the series does
SPAN = 2.0  # bins cover mean +/- 2 standard deviations of the level
RATIO_LIMIT = 1e4  # one residual cannot speak louder
GAIN = 0.85  # puts the oddness of ordinary rows below the first mark
PART_LIMIT = RATIO_LIMIT * GAIN / LEVELS
TIES_FREE = 0.3  # share of repeated values that is no matter
TIES_RATE = 2e-3
PER_PACE = LEVELS // PACES
TINY = 1e-36  # keeps nothing over nothing from being a number


@njit(cache=True, error_model="numpy", inline="always")
def floor_of(s: Series) -> float:
    """Smallest scale of a series: a millionth of its size, so that rounding is never an anomaly."""
    return float(1e-6 * s.magnitude + 1e-18)


@njit(cache=True, error_model="numpy", inline="always")
def bin_position(s: Series) -> float:
    """Where the level of a series stands among its bins, in [0, BINS - 1)."""
    u = s.stray * s.spread
    return float(min(max((u + SPAN) * (BINS / (2.0 * SPAN)) - 0.5, 0.0), BINS - 1.001))


@njit(cache=True, error_model="numpy", inline="always")
def write_usual(s: Series, position: float, usual: F64) -> None:
    """Write what one over the usual size of residuals is at this level, over that of the whole series, per pace."""
    j = int(position)
    part = position - j
    low, high = float(s.bin_rows[j]), float(s.bin_rows[j + 1])
    from_low = BIN_WEIGHT * (1.0 - part) / (low + PSEUDO_ROWS)
    from_high = BIN_WEIGHT * part / (high + PSEUDO_ROWS)
    from_whole = 1.0 - BIN_WEIGHT + PSEUDO_ROWS * (from_low + from_high)
    for pace in range(PACES):
        whole = TINY
        for k in range(PER_PACE * pace, PER_PACE * (pace + 1)):
            whole += s.scale[k]
        size = from_low * low * s.bin_scale[j, pace] + from_high * high * s.bin_scale[j + 1, pace]
        usual[pace] = power(size / whole + from_whole, -1.0 / EXPONENT)


@njit(cache=True, error_model="numpy")
def look_at_scale(s: Series, c: Constants) -> None:
    """Bring up to date what a residual of one adds to the oddness of a series; less where values repeat.

    Counts that are mostly zero deviate all the time, by as much as their whole range.
    """
    least = floor_of(s)
    loud = GAIN / LEVELS / (1.0 + c.ties_weight * max(0.0, s.ties - TIES_FREE))
    s.spread = 1.0 / (math.sqrt(s.variance) + least)
    for k in range(LEVELS):
        s.loud[k] = loud / (power(float(s.scale[k]), 1.0 / EXPONENT) + least)


@njit(cache=True, error_model="numpy", inline="always")
def learn(s: Series, step: float, position: float, safe: float) -> None:
    """Learn the sizes of the residuals of a value. Call after scoring, before the followers move."""
    j = int(position + 0.5)
    rows = min(int(s.bin_rows[j]) + 1, BIN_MEMORY_ROWS)
    s.bin_rows[j] = rows
    rate = max(RATE, safe)
    for pace in range(PACES):
        sizes = 0.0
        for k in range(PER_PACE * pace, PER_PACE * (pace + 1)):
            residual = np.float32(abs(step + s.offset[k]))
            root = np.sqrt(residual)
            size = residual * root * np.sqrt(root)
            s.scale[k] += rate * (size - s.scale[k])
            sizes += size
        s.bin_scale[j, pace] += (sizes - s.bin_scale[j, pace]) / rows
    tie = 1.0 if abs(step) <= floor_of(s) else 0.0
    s.ties += max(TIES_RATE, safe) * (tie - s.ties)
