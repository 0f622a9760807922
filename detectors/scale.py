"""How large a residual usually is: long memory, heavy tails left in, by level.

The mean of |residual| ** 1.75 over about ten thousand rows, unclipped: past incidents and heavy tails enlarge it, but
less than they would enlarge a variance. Half of it is learnt per bin of the series' own standardised level, because
busy hours are noisier than quiet ones; a bin that has seen few rows leans on the whole series.

Limits: a series whose noise doubles for good is judged by its old scale for some thousand rows.
"""

from __future__ import annotations

import math

from numba import njit

from detectors._base import F64
from detectors._memory import (
    BIN_ROWS,
    BIN_SCALE,
    BINS,
    F32,
    LEVEL,
    LEVELS,
    MAGNITUDE,
    MEAN,
    ROWS,
    SCALE,
    TIES,
    VARIANCE,
)
from detectors._power import power
from detectors.constants import Constants
from detectors.level import SLOW

EXPONENT = 1.75  # between absolute and square, measured on operations data; a product of two square roots
RATE = 1e-4
BIN_WEIGHT = 0.5  # share of the scale that comes from the bins
PSEUDO_ROWS = 200.0  # weight of the whole series within a bin
BIN_MEMORY_ROWS = 0.25 / RATE  # a bin remembers this many rows
SPAN = 2.0  # bins cover mean +/- 2 standard deviations of the level
RATIO_LIMIT = 1e4  # one residual cannot speak louder
GAIN = 0.85  # puts the oddness of ordinary rows below the first mark
TIES_FREE = 0.3  # share of repeated values that is no matter
TIES_RATE = 2e-3


@njit(cache=True, error_model="numpy", inline="always")
def floor_of(f: F32) -> float:
    """Smallest scale of a series: a millionth of its size, so that rounding is never an anomaly."""
    return float(1e-6 * f[MAGNITUDE] + 1e-18)


@njit(cache=True, error_model="numpy", inline="always")
def bin_position(d: F64, f: F32) -> float:
    """Where the level of a series stands among its bins, in [0, BINS - 1)."""
    u = (d[LEVEL + SLOW] - d[MEAN]) / (math.sqrt(f[VARIANCE]) + floor_of(f))
    return float(min(max((u + SPAN) / (2.0 * SPAN) * BINS - 0.5, 0.0), BINS - 1.001))


@njit(cache=True, error_model="numpy", inline="always")
def write_weights(f: F32, position: float, weights: F64, c: Constants) -> None:
    """Write one over the usual size of each residual of a series at this level, times `loudness`, to `weights`."""
    j = int(position)
    part = position - j
    low, high = float(f[BIN_ROWS + j]), float(f[BIN_ROWS + j + 1])
    from_low = BIN_WEIGHT * (1.0 - part) / (low + PSEUDO_ROWS)
    from_high = BIN_WEIGHT * part / (high + PSEUDO_ROWS)
    from_whole = 1.0 - BIN_WEIGHT + PSEUDO_ROWS * (from_low + from_high)
    least, loud = floor_of(f), loudness(f, c)
    for k in range(LEVELS):
        size = (
            from_low * low * f[BIN_SCALE + LEVELS * (j) + k]
            + from_high * high * f[BIN_SCALE + LEVELS * (j + 1) + k]
            + from_whole * f[SCALE + k]
        )
        weights[k] = loud / (power(size, 1.0 / EXPONENT) + least)


@njit(cache=True, error_model="numpy", inline="always")
def loudness(f: F32, c: Constants) -> float:
    """What a residual of its usual size adds to the oddness of a series; less where values repeat.

    Counts that are mostly zero deviate all the time, by as much as their whole range.
    """
    return float(GAIN / LEVELS / (1.0 + c.ties_weight * max(0.0, f[TIES] - TIES_FREE)))


@njit(cache=True, error_model="numpy", inline="always")
def learn(d: F64, f: F32, x: float, position: float) -> None:
    """Learn the sizes of the residuals of x. Call after scoring, before the followers move."""
    j = int(position + 0.5)
    safe = 1.0 / d[ROWS]
    f[BIN_ROWS + j] = min(f[BIN_ROWS + j] + 1.0, BIN_MEMORY_ROWS)
    rate, bin_rate = max(RATE, safe), 1.0 / f[BIN_ROWS + j]
    for k in range(LEVELS):
        residual = abs(x - d[LEVEL + k])
        root = math.sqrt(residual)
        size = residual * root * math.sqrt(root)
        f[SCALE + k] += rate * (size - f[SCALE + k])
        f[BIN_SCALE + LEVELS * (j) + k] += bin_rate * (size - f[BIN_SCALE + LEVELS * (j) + k])
    tie = 1.0 if abs(x - d[LEVEL]) <= floor_of(f) else 0.0
    f[TIES] += max(TIES_RATE, safe) * (tie - f[TIES])
