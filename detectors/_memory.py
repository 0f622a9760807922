"""The memory of the bank: one array per field, one row per series."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors._base import F64, State
from detectors._rows import check_version

F32 = NDArray[np.float32]
U32 = NDArray[np.uint32]

VERSION = 1
LEVELS = 4  # followers, see level.py
BINS = 12  # bins of the standardised level, see scale.py
MARKS = 32  # levels at which rows and pages are counted, see _calibrate.py
BUCKETS = 4  # parts of the quiet time, see _onset.py


class Memory(NamedTuple):
    """Everything the bank knows, by field; the first axis is the series.

    Doubles where a small step is added to a large sum (times, ages, levels of large values), floats elsewhere.
    """

    rows: F64  # valid rows seen
    first_s: F64  # time of the first one, unix s
    last_s: F64  # time of the last one
    step_s: F64  # sampling step
    age_days: F64  # time observed
    exposure_days: F64  # the same, decayed like the page counts
    level: F64  # (n, LEVELS)
    mean: F64  # of the slow level
    recent: F64  # fast level that goes on while the column is frozen
    variance: F32
    magnitude: F32  # mean |x|
    scale: F32  # (n, LEVELS) mean |residual| ** p
    bin_scale: F32  # (n, BINS, LEVELS) the same by bin of the level
    bin_rows: F32  # (n, BINS)
    odd: F32  # mean ratio of the last row
    ratio: F32  # (n, LEVELS) residual over scale at the last row
    border: F32  # oddness at which a page would open
    rows_above: F32  # (n, MARKS) rows at or above each mark
    rows_counted: F64  # rows behind rows_above
    pages: F32  # (n, MARKS) decayed count of pages each mark would have opened
    page_last_s: U32  # (n, MARKS) last row at or above the mark, since first_s
    page_open_s: U32  # (n, MARKS) last page, since first_s
    bucket_s: F64  # start of the current bucket of the quiet time
    bucket_peak: F32  # (n, BUCKETS) highest score per bucket, current one first


_SHAPES: dict[str, tuple[int, ...]] = {
    "level": (LEVELS,),
    "scale": (LEVELS,),
    "bin_scale": (BINS, LEVELS),
    "bin_rows": (BINS,),
    "ratio": (LEVELS,),
    "rows_above": (MARKS,),
    "pages": (MARKS,),
    "page_last_s": (MARKS,),
    "page_open_s": (MARKS,),
    "bucket_peak": (BUCKETS,),
}
_DOUBLES = {
    *("rows", "first_s", "last_s", "step_s", "age_days", "exposure_days"),
    *("level", "mean", "recent", "rows_counted", "bucket_s"),
}
_SECONDS = {"page_last_s", "page_open_s"}
NEVER = np.float32(-1e30)  # a score no row has had


def _dtype(name: str) -> type[np.generic]:
    if name in _DOUBLES:
        return np.float64
    return np.uint32 if name in _SECONDS else np.float32


def empty(n: int) -> Memory:
    """Memory of n series nobody has seen."""
    fields = {name: np.zeros((n, *_SHAPES.get(name, ())), _dtype(name)) for name in Memory._fields}
    fields["bucket_peak"].fill(NEVER)
    fields["border"].fill(np.float32(np.nan))
    return Memory(**fields)


def grown(memory: Memory, n: int) -> Memory:
    """The same memory with n rows in all; new ones are cold."""
    old = len(memory.rows)
    fresh = empty(n - old)
    return Memory(*(np.concatenate([a, b]) for a, b in zip(memory, fresh, strict=True)))


def to_state(memory: Memory) -> State:
    """Copies of all arrays by name, with the version of the layout."""
    state: State = {name: getattr(memory, name).copy() for name in Memory._fields}
    return state | {"version": np.array(VERSION, np.int64)}


def from_state(state: State) -> Memory:
    """Memory from a snapshot. Raises ValueError when version, names, shapes or types are not ours."""
    check_version(state, VERSION, Memory._fields)
    n = len(state["rows"])
    for name in Memory._fields:
        wanted, got = (n, *_SHAPES.get(name, ())), state[name]
        if got.shape != wanted or got.dtype != _dtype(name):
            raise ValueError(f"snapshot {name} must be {wanted} {_dtype(name).__name__}, got {got.shape} {got.dtype}")
    return Memory(**{name: state[name].copy() for name in Memory._fields})  # type: ignore[arg-type]


def bytes_per_series() -> int:
    """Size of one series' memory."""
    return sum(array.nbytes for array in empty(1))
