"""The sweep of the light bank over a block of series: score all, let all learn, find those that are odd.

Written so that the compiler turns the loop into vector code: 32-bit floats throughout, a choice instead of a branch,
arithmetic instead of the C library. No result depends on how wide the vectors are.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detectors._light_memory import F32, LightMemory

LEVEL_RATE = np.float32(0.1)  # memory of ten rows: slow enough to stand out from, fast enough to come along
SIZE_RATE = np.float32(1e-4)  # past incidents enlarge what is usual: short memories lose recall
SHIFT_RATE, SHIFT_WEIGHT = np.float32(0.1), np.float32(2.0)  # a slow ramp is twice as odd as any row of it
RATIO_LIMIT, SHIFT_LIMIT = np.float32(1e4), np.float32(10.0)
ODD_SHARE = 0.005  # of the rows are odd: they alone are looked at closely
ODD_UP, ODD_DOWN = np.float32(1.0 + 0.05 * (1.0 - ODD_SHARE)), np.float32(1.0 - 0.05 * ODD_SHARE)
LEAST_ODD = np.float32(0.5)
WARM_ROWS = np.uint16(50)  # no opinion before
MOST_ROWS = np.uint16(65_535)
SEASON_UNIT = np.float32(1.0 / 32.0)
VALUE_LIMIT = np.float32(1e18)  # larger values are taken for this: their squares would leave the range of floats
RELATIVE_FLOOR, FLOOR = np.float32(1e-6), np.float32(1e-18)

_ZERO, _ONE = np.float32(0.0), np.float32(1.0)
_LARGEST, _NAN = np.float32(3e38), np.float32(np.nan)


class Room(NamedTuple):
    """What a sweep leaves of a block, per series."""

    odd: F32  # oddness; negative where it is below the lowest border, NaN = no opinion
    residual: F32
    scale: F32  # usual size of the residual, as it was before the row


class Moment(NamedTuple):
    """What a row's time means for all series."""

    low: int  # hours of the day whose middles the time lies between
    high: int
    low_weight: np.float32
    high_weight: np.float32
    hour_rate: np.float32  # one over the rows of this hour


@njit(cache=True, error_model="numpy", inline="always")
def scale_of(variance: np.float32, level: np.float32) -> np.float32:
    """Usual size of a residual, and a millionth of the level, below which nothing is told apart."""
    return np.sqrt(variance) + (abs(level) * RELATIVE_FLOOR + FLOOR)  # type: ignore[no-any-return]


@njit(cache=True, error_model="numpy")
def sweep(m: LightMemory, x: F32, first: int, at: Moment, room: Room) -> None:
    """Score the values x[first : first + len(room)] into `room`, then learn them; missing values change nothing.

    One long loop: its parts read the same fields, and each loop more would stream them once more.
    """
    n = min(len(room.odd), len(x) - first)
    last = first + n
    x, level, variance, shift, odd = (
        x[first:last],
        m.level[first:last],
        m.variance[first:last],
        m.shift[first:last],
        m.odd[first:last],
    )
    rows, hour, low, high = (
        m.rows[first:last],
        m.hour[first:last],
        m.season[at.low, first:last],
        m.season[at.high, first:last],
    )
    out_odd, out_residual, out_scale = room.odd[:n], room.residual[:n], room.scale[:n]
    low_weight, high_weight = at.low_weight * SEASON_UNIT, at.high_weight * SEASON_UNIT
    for i in range(n):
        value = x[i]
        there = abs(value) <= _LARGEST
        value = min(VALUE_LIMIT, value)
        value = max(-VALUE_LIMIT, value)
        scale = scale_of(variance[i], level[i])
        season = scale * (low_weight * np.float32(low[i]) + high_weight * np.float32(high[i]))
        residual = value - season - level[i]
        signed = residual / scale
        clipped = min(SHIFT_LIMIT, signed)
        clipped = max(-SHIFT_LIMIT, clipped)
        moved = shift[i] + SHIFT_RATE * (clipped - shift[i])
        near, lasting = abs(signed), SHIFT_WEIGHT * abs(moved)
        z = max(lasting, near)
        z = min(RATIO_LIMIT, z)
        is_odd = z > odd[i]
        known = there and rows[i] >= WARM_ROWS
        out_odd[i] = (z if is_odd else -z) if known else _NAN
        out_residual[i] = residual
        out_scale[i] = scale

        before = np.float32(rows[i])
        safe = _ONE / (before + _ONE)
        rate = max(LEVEL_RATE, safe)
        size_rate = max(SIZE_RATE, safe)
        # The first row has no residual: its level was nowhere.
        size_rate = size_rate if before > _ZERO else _ZERO
        border = odd[i] * (ODD_UP if is_odd else ODD_DOWN)
        border = max(LEAST_ODD, border)
        mean = level[i] + residual
        hour_now = hour[i] + at.hour_rate * (mean - hour[i])
        hour_now = hour_now if hour[i] == hour[i] else mean
        grown = variance[i] + size_rate * (residual * residual - variance[i])
        now = level[i] + rate * residual
        level[i] = now if there else level[i]
        variance[i] = grown if there else variance[i]
        shift[i] = moved if there and before > _ZERO else shift[i]
        odd[i] = border if known else odd[i]
        hour[i] = hour_now if there else hour[i]
        rows[i] += np.uint16(there and rows[i] < MOST_ROWS)


@njit(cache=True, error_model="numpy")
def select(odd: F32, n: int, found: NDArray[np.int32]) -> int:
    """Write the places of the odd rows of a block to `found`, without a branch; how many they are."""
    count = 0
    for i in range(n):
        found[count] = i
        count += odd[i] > _ZERO
    return count


@njit(cache=True, error_model="numpy")
def select_watched(odd: F32, watched: NDArray[np.bool_], far: float, found: NDArray[np.int32]) -> int:
    """The same with all that have an opinion and are watched, or are at `far` or beyond it without being odd."""
    count, beyond = 0, np.float32(-far)
    for i in range(len(odd)):
        found[count] = i
        count += (odd[i] > _ZERO) | (odd[i] <= beyond) | (watched[i] & (odd[i] == odd[i]))
    return count
