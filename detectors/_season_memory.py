"""The memory of the season: one array per field, one row per series.

Edges of the bins are kept as the upper halves of 32-bit floats, relative to a centre that follows the series: three
digits of a deviation are more than one day tells of the next, and half the memory.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detectors._arrays import joined
from detectors._base import F64

F32 = NDArray[np.float32]
U16 = NDArray[np.uint16]
U8 = NDArray[np.uint8]
I32 = NDArray[np.int32]

VERSION = 2
DAILY = 48  # half-hours of an ordinary day
WEEKEND = 24  # hours of a weekend day: two days a week teach half as much
BINS = DAILY + WEEKEND
SLOTS = 6  # half-hours of the week that were odd once and are waited for
TIMES = 8  # times of day at which the series deviated, see _season_recurring.py
MARKS = 11  # sizes of a deviation at which rows are counted
UNKNOWN = 0x7FC0  # the upper half of a NaN
GRAIN_S = 2.0  # of times of day, so that they fit into 16 bits
LONG_AGO = -(2**31)  # a time that never was, in GRAIN_S


class Season(NamedTuple):
    """Everything the season knows, by field; the first axis is the series. Deviations are from `centre`."""

    centre: F64  # what deviations are measured from; moved once a day
    until: I32  # end of the open bin, local half-hours since 1970
    last: I32  # time of the last row, in GRAIN_S
    step: U16  # code of the sampling step
    place: NDArray[np.int8]  # open bin, 0 .. BINS - 1; -1 = none
    week: NDArray[np.int16]  # open half-hour of the week, 0 = Thursday 00:00
    seen: NDArray[np.bool_]  # whether the open bin has a row
    peak: F32  # highest deviation in the open bin
    trough: F32  # lowest one
    low: F32  # usual band of the open bin, (NaN, NaN) = no opinion
    high: F32
    base_low: F32  # usual lowest and highest deviation of a bin of any time
    base_high: F32
    miss: F32  # how far a bin's extremes usually fall from its edges
    closed: U8  # bins closed, at most 255
    days: U16  # (n, 2) half-hours seen of each kind: ordinary, weekend
    floor: U16  # (n, BINS) usual lowest deviation of each bin
    roof: U16  # (n, BINS) usual highest one
    counted: F32  # rows behind `above`
    above: F32  # (n, MARKS) rows at or above each size
    slot_week: NDArray[np.int16]  # (n, SLOTS) half-hour of the week, -1 = empty
    slot_value: U16  # (n, SLOTS) code of the deviation seen there
    slot_votes: U8  # (n, SLOTS) weeks it was seen in
    odd: I32  # local time of the last deviation, in GRAIN_S
    forgiven: I32  # local time of the last usual one
    time: U16  # (n, TIMES) time of day of a deviation, in GRAIN_S
    time_day: U16  # (n, TIMES) day it was last seen, modulo 65,536
    time_streak: NDArray[np.int8]  # (n, TIMES) see _season_recurring.py, 0 = empty


_SHAPES: dict[str, tuple[int, ...]] = {
    "days": (2,),
    "floor": (BINS,),
    "roof": (BINS,),
    "above": (MARKS,),
    "slot_week": (SLOTS,),
    "slot_value": (SLOTS,),
    "slot_votes": (SLOTS,),
    **dict.fromkeys(("time", "time_day", "time_streak"), (TIMES,)),
}
_TYPES: dict[str, type[np.generic]] = {
    "centre": np.float64,
    **dict.fromkeys(("until", "last", "odd", "forgiven"), np.int32),
    **dict.fromkeys(("week", "slot_week"), np.int16),
    **dict.fromkeys(("step", "days", "floor", "roof", "slot_value", "time", "time_day"), np.uint16),
    **dict.fromkeys(("closed", "slot_votes"), np.uint8),
    **dict.fromkeys(("place", "time_streak"), np.int8),
    "seen": np.bool_,
}
_FILLED: dict[str, float] = {
    **dict.fromkeys(("low", "high"), np.nan),
    **dict.fromkeys(("until", "odd", "forgiven"), LONG_AGO),
    **dict.fromkeys(("place", "slot_week"), -1),
    **dict.fromkeys(("floor", "roof"), UNKNOWN),
}


@njit(cache=True, inline="always")
def unpack(code: int) -> float:
    """The deviation behind a code."""
    return float(np.uint32(np.uint32(code) << np.uint32(16)).view(np.float32))


@njit(cache=True, inline="always")
def pack(deviation: float) -> int:
    """The nearest code of a deviation; relative error below 0.4 %."""
    return int((np.float32(deviation).view(np.uint32) + np.uint32(0x8000)) >> np.uint32(16))


def empty(n: int) -> Season:
    """Memory of n series nobody has seen."""
    made = {}
    for name in Season._fields:
        shape, dtype = (n, *_SHAPES.get(name, ())), _TYPES.get(name, np.float32)
        made[name] = np.full(shape, _FILLED.get(name, 0), dtype)
    return Season(**made)


def grown(season: Season, n: int) -> Season:
    """The same memory with n rows in all; new ones are cold."""
    return joined(season, empty(n - len(season.centre)))


def forget(season: Season, rows: NDArray[np.integer]) -> None:
    """Make rows cold, for other series."""
    for name, fresh in empty(len(rows))._asdict().items():
        getattr(season, name)[rows] = fresh


def bytes_per_series() -> int:
    """Size of one series' memory."""
    return sum(array.nbytes for array in empty(1))
