"""The memory of the bank: two arrays, one row per series, a named stretch of columns per field.

A kernel needs everything about one series at once, so a series' fields lie side by side and are read in one sweep;
a snapshot gives each field an array of its own.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors._base import F64, State
from detectors._rows import check_version

F32 = NDArray[np.float32]

VERSION = 4
LEVELS = 4  # followers, see level.py
BINS = 8  # bins of the standardised level, see scale.py
MARKS = 27  # levels of oddness at which rows and pages are counted, see _marks.py
BUCKETS = 4  # parts of the quiet time, see _onset.py
NEVER = np.float32(-1e30)  # a score no row has had

# Doubles: where a small step is added to a large sum, as with times, ages and the levels of large values.
ROWS = 0  # valid rows seen
FIRST_S = 1  # time of the first one, unix s
LAST_S = 2  # time of the last one
STEP_S = 3  # sampling step
AGE_DAYS = 4  # time observed
EXPOSURE_DAYS = 5  # the same, fading like the page counts
MEAN = 6  # of the slow level
RECENT = 7  # fast level that goes on while the column is frozen
ROWS_COUNTED = 8  # rows behind ROWS_ABOVE
BUCKET_S = 9  # start of the current bucket of the quiet time
LEVEL = 10  # LEVELS followers
DOUBLES = LEVEL + LEVELS

# Floats.
VARIANCE = 0  # of the slow level
MAGNITUDE = 1  # mean |x|
TIES = 2  # share of rows that repeat the value before
ODD = 3  # mean ratio of the last row
BORDER = 4  # oddness at which a page would open, NaN = not looked for yet
BURST_MARK = 5  # mark at which the rows of bursts are counted, see _bursts.py
BURST_ROWS = 6  # rows at or above it, fading
BURST_PAGES = 7  # pages it would have opened, fading
BURST_LENGTH = 8  # rows of the open burst
PRIOR_LOG2 = 9  # log2 of the shared rate of pages at oddness 1 times its weight
NOISE_LOG2 = 10  # log2 of the rows per page of noise over those of the series, at most 0
THIN = 11  # how thin the tail is, 0 to 1, see _thin_tail.py
RATIO = 12  # LEVELS: residual over scale at the last row
BUCKET_PEAK = RATIO + LEVELS  # BUCKETS: highest score per bucket, current one first
PEAK_BEFORE = BUCKET_PEAK + BUCKETS  # highest score of all buckets but the current one
SCALE = PEAK_BEFORE + 1  # LEVELS: mean |residual| ** p
BIN_ROWS = SCALE + LEVELS  # BINS: rows per bin of the level
BIN_SCALE = BIN_ROWS + BINS  # BINS x LEVELS: the scale by bin
ROWS_ABOVE = BIN_SCALE + BINS * LEVELS  # MARKS: rows at or above each mark
PAGES = ROWS_ABOVE + MARKS  # MARKS: fading count of pages each mark would have opened
NOISE_PAGES = PAGES + MARKS  # MARKS: how many of them were noise
PAGE_LAST_S = NOISE_PAGES + MARKS  # MARKS: last row at or above the mark, since FIRST_S
PAGE_OPEN_S = PAGE_LAST_S + MARKS  # MARKS: last page, since FIRST_S
SQUARE = PAGE_OPEN_S + MARKS  # LEVELS: mean square ratio, see _weights.py
WEIGHT = SQUARE + LEVELS  # LEVELS: how much each follower counts, mean 1
FLOATS = WEIGHT + LEVELS

_DOUBLE_FIELDS = {
    "rows": (ROWS, 1),
    "first_s": (FIRST_S, 1),
    "last_s": (LAST_S, 1),
    "step_s": (STEP_S, 1),
    "age_days": (AGE_DAYS, 1),
    "exposure_days": (EXPOSURE_DAYS, 1),
    "mean": (MEAN, 1),
    "recent": (RECENT, 1),
    "rows_counted": (ROWS_COUNTED, 1),
    "bucket_s": (BUCKET_S, 1),
    "level": (LEVEL, LEVELS),
}
_FLOAT_FIELDS = {
    "variance": (VARIANCE, 1),
    "magnitude": (MAGNITUDE, 1),
    "ties": (TIES, 1),
    "odd": (ODD, 1),
    "border": (BORDER, 1),
    "burst_mark": (BURST_MARK, 1),
    "burst_rows": (BURST_ROWS, 1),
    "burst_pages": (BURST_PAGES, 1),
    "burst_length": (BURST_LENGTH, 1),
    "prior_log2": (PRIOR_LOG2, 1),
    "noise_log2": (NOISE_LOG2, 1),
    "thin": (THIN, 1),
    "ratio": (RATIO, LEVELS),
    "bucket_peak": (BUCKET_PEAK, BUCKETS),
    "peak_before": (PEAK_BEFORE, 1),
    "scale": (SCALE, LEVELS),
    "bin_rows": (BIN_ROWS, BINS),
    "bin_scale": (BIN_SCALE, BINS * LEVELS),
    "rows_above": (ROWS_ABOVE, MARKS),
    "pages": (PAGES, MARKS),
    "noise_pages": (NOISE_PAGES, MARKS),
    "page_last_s": (PAGE_LAST_S, MARKS),
    "page_open_s": (PAGE_OPEN_S, MARKS),
    "square": (SQUARE, LEVELS),
    "weight": (WEIGHT, LEVELS),
}


class Memory(NamedTuple):
    """Everything the bank knows: row i is series i."""

    doubles: F64  # (n, DOUBLES)
    floats: F32  # (n, FLOATS)

    def fields(self) -> State:
        """Copies of all fields by name, (n,) or (n, width)."""
        state: State = {name: self.doubles[:, a : a + w].copy() for name, (a, w) in _DOUBLE_FIELDS.items()}
        state |= {name: self.floats[:, a : a + w].copy() for name, (a, w) in _FLOAT_FIELDS.items()}
        return {name: array[:, 0] if array.shape[1] == 1 else array for name, array in state.items()}


def empty(n: int) -> Memory:
    """Memory of n series nobody has seen."""
    memory = Memory(np.zeros((n, DOUBLES)), np.zeros((n, FLOATS), np.float32))
    memory.floats[:, BUCKET_PEAK : PEAK_BEFORE + 1] = NEVER
    memory.floats[:, BORDER] = np.nan
    memory.floats[:, SQUARE:FLOATS] = 1.0
    return memory


def grown(memory: Memory, n: int) -> Memory:
    """The same memory with n rows in all; new ones are cold."""
    fresh = empty(n - len(memory.doubles))
    return Memory(
        np.concatenate([memory.doubles, fresh.doubles]),
        np.concatenate([memory.floats, fresh.floats]),
    )


def forget(memory: Memory, rows: NDArray[np.integer]) -> None:
    """Make rows cold, for other series."""
    fresh = empty(len(rows))
    memory.doubles[rows], memory.floats[rows] = fresh.doubles, fresh.floats


def to_state(memory: Memory) -> State:
    """All fields by name, with the version of the layout."""
    return memory.fields() | {"version": np.array(VERSION, np.int64)}


def from_state(state: State) -> Memory:
    """Memory from a snapshot. Raises ValueError when version, names, shapes or types are not ours."""
    check_version(state, VERSION, [*_DOUBLE_FIELDS, *_FLOAT_FIELDS])
    memory = empty(len(state["rows"]))
    for fields, array in ((_DOUBLE_FIELDS, memory.doubles), (_FLOAT_FIELDS, memory.floats)):
        for name, (at, width) in fields.items():
            wanted, got = (len(array), width) if width > 1 else (len(array),), state[name]
            if got.shape != wanted or got.dtype != array.dtype:
                raise ValueError(f"snapshot {name} must be {wanted} {array.dtype}, got {got.shape} {got.dtype}")
            array[:, at : at + width] = got.reshape(len(array), width)
    return memory


def bytes_per_series() -> int:
    """Size of one series' memory."""
    return DOUBLES * 8 + FLOATS * 4
