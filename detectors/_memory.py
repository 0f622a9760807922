"""The memory of the bank: one record per series.

A kernel needs everything about one series at once, so a series' fields lie side by side, and a kernel is handed one
record instead of arrays. All levels are kept as their distance from the last value: a small number next to a large one
needs no double.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from detectors._arrays import check_array
from detectors._base import State
from detectors._rows import check_version

VERSION = 5
LEVELS = 4  # followers, see level.py; the first is the last value itself
PACES = 2  # quick followers and slow ones
BINS = 8  # bins of the standardised level, see scale.py
MARKS = 23  # levels of oddness at which rows and pages are counted, see _marks.py
BUCKETS = 8  # parts of the quiet time, see _buckets.py
PEAKS = 4  # parts of it in which the highest onset is kept, see _onset.py
RATIO_GRAIN = 1.0 / 64.0
NEVER = np.float32(-1e30)  # a score no row has had

F32, U16, U8 = np.float32, np.uint16, np.uint8
SERIES = np.dtype(
    [
        ("last", np.float64),  # the last value that was learnt
        ("last_s", np.float64),  # time of the last row, unix s
        ("rows", F32),  # valid rows seen, at most 2 ** 24
        ("rows_counted", F32),  # rows behind rows_above
        ("step_s", F32),  # sampling step
        ("age_days", F32),  # time observed
        ("exposure_days", F32),  # the same, fading like the page counts
        ("pending_days", F32),  # time observed that is in neither yet
        ("bucket_s", F32),  # time since the current bucket of the quiet time began
        ("stray", F32),  # the slow level less its long mean
        ("recent", F32),  # last value less a fast level that goes on while the column is frozen
        ("variance", F32),  # of the slow level
        ("magnitude", F32),  # mean |x|
        ("ties", F32),  # share of rows that repeat the value before
        ("odd", F32),  # mean ratio of the last row
        ("border", F32),  # oddness at which a page would open, NaN = not looked for yet
        ("burst_rows", F32),  # rows at or above the burst mark, fading
        ("burst_pages", F32),  # pages it would have opened, fading
        ("prior_log2", F32),  # log2 of the shared rate of pages at oddness 1 times its weight
        ("noise_log2", F32),  # log2 of the rows per page of noise over those of the series, at most 0
        ("thin", F32),  # how thin the tail is, 0 to 1, see _thin_tail.py
        ("growth", F32),  # what a page of now adds to pages, see _pages.py
        ("spread", F32),  # one over the standard deviation of the slow level
        ("offset", F32, LEVELS),  # last value less the level of each follower; the first is 0
        ("scale", F32, LEVELS),  # mean |residual| ** p
        ("loud", F32, LEVELS),  # what a residual of one adds to the oddness, by the scale
        ("square", F32, LEVELS),  # mean square ratio, see _weights.py
        ("weight", F32, LEVELS),  # how much each follower counts, mean 1
        ("peak", F32, PEAKS),  # highest score per part of the quiet time, current one first
        ("bin_scale", F32, (BINS, PACES)),  # the scales of quick and of slow followers, added, per bin
        ("rows_above", F32, MARKS),  # rows at or above each mark
        ("bin_rows", U16, BINS),  # rows per bin of the level
        ("pages", U16, MARKS),  # fading count of pages each mark would have opened, see _codes.py
        ("noise_pages", U16, MARKS),  # how many of them were noise
        ("ratio", U16, LEVELS),  # residual over scale at the last row, in RATIO_GRAIN
        ("turn", U8),  # rows scored, modulo 256
        ("bucket", U8),  # number of the current bucket, modulo 256
        ("burst_mark", U8),  # mark at which the rows of bursts are counted, see _bursts.py
        ("burst_length", U8),  # rows of the open burst
        ("seen", U8, BUCKETS + 1),  # marks reached per bucket, current one first
        ("opened", U8, MARKS),  # bucket in which the last page was opened
    ],
    align=True,
)

Memory: TypeAlias = NDArray[np.void]
"""Everything the bank knows, (n,) of SERIES."""

Series: TypeAlias = Any
"""One record of SERIES, as kernels see it."""


def empty(n: int) -> Memory:
    """Memory of n series nobody has seen."""
    memory = np.zeros(n, SERIES)
    memory["peak"] = NEVER
    memory["border"] = np.nan
    memory["growth"] = memory["square"] = memory["weight"] = 1.0
    return memory


def grown(memory: Memory, n: int) -> Memory:
    """The same memory with n rows in all; new ones are cold."""
    return np.concatenate([memory, empty(n - len(memory))])


def forget(memory: Memory, rows: NDArray[np.integer]) -> None:
    """Make rows cold, for other series."""
    memory[rows] = empty(len(rows))


def to_state(memory: Memory) -> State:
    """Copies of all fields by name, (n,) or (n, width), with the version of the layout."""
    state: State = {name: memory[name].copy() for name in SERIES.names or ()}
    return state | {"version": np.array(VERSION, np.int64)}


def from_state(state: State) -> Memory:
    """Memory from a snapshot. Raises ValueError when version, names, shapes or types are not ours."""
    check_version(state, VERSION, SERIES.names or ())
    memory = empty(len(state["rows"]))
    for name in SERIES.names or ():
        check_array(name, memory[name], state[name])
        memory[name] = state[name]
    return memory


def bytes_per_series() -> int:
    """Size of one series' memory."""
    return int(SERIES.itemsize)
