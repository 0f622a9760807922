"""Absence: how surprising it is that a series which used to be regular says nothing.

Each gap is counted once at every power of two of steps it lasted. The surprise of a gap that has lasted L steps is
-log10 of the share of seen rows after which a gap that long began, with a small prior for lengths never seen. A series
that often pauses for an hour is therefore no news when it pauses for an hour, and one that never paused is at once.

Limits: steps are rows of the block; the caller gives one row per step whether or not anything came. Series that are
present less than half of the time, or gone for longer than a day's worth of rows of their own past, get no opinion.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detectors._arrays import from_state, joined, to_state
from detectors._base import F64, I64, Scores, State
from detectors._rows import as_rows, check_growth, check_rows, last_of, last_state

F32 = NDArray[np.float32]

VERSION = 3
MARKS = 15  # gap lengths 1, 2, 4, ... 16,384 steps: longer ones get no opinion, see GONE_ROWS
ENOUGH_ROWS = 50.0  # rows seen before the series counts as regular
REGULAR_SHARE = 0.5  # of the rows, below which absence is its normal state
PRIOR_ROWS = 10.0  # weight of the shared belief ...
PRIOR_SHARE = 0.02  # ... that one row in fifty is followed by a gap, chosen
PRIOR_FALL = 0.25  # and one gap in four lasts twice as long
MEMORY_ROWS = 60_000.0  # counts are halved beyond, so that old habits fade, and fit into 16 bits
LONGEST_GAP = 2.0**23  # rows; a 32-bit float counts no further by ones, and nobody waits as long
GONE_ROWS = 0.5  # a gap longer than this share of all rows ever seen is an end, not a gap


class Gaps(NamedTuple):
    """Memory of n series: rows with a value, all rows since the first, length of the open gap, gaps by length."""

    seen: F32
    since: F32
    gap: F32
    gaps: NDArray[np.uint16]


@njit(cache=True, error_model="numpy")
def _share(m: Gaps, i: int, mark: int) -> float:
    prior = PRIOR_ROWS * PRIOR_SHARE * PRIOR_FALL**mark
    return float((m.gaps[i, mark] + prior) / (m.seen[i] + PRIOR_ROWS))


@njit(cache=True, error_model="numpy")
def _missing(m: Gaps, i: int) -> float:
    m.gap[i] = min(m.gap[i] + 1.0, LONGEST_GAP)
    mark = min(int(math.log2(m.gap[i])), MARKS - 1)
    surprise = -math.log10(_share(m, i, mark))
    if m.gap[i] == 2.0**mark:
        m.gaps[i, mark] += 1
    regular = m.seen[i] >= ENOUGH_ROWS and m.seen[i] >= REGULAR_SHARE * (m.since[i] - m.gap[i])
    return surprise if regular and m.gap[i] <= max(GONE_ROWS * m.seen[i], ENOUGH_ROWS) else math.nan


@njit(cache=True, error_model="numpy")
def _present(m: Gaps, i: int) -> float:
    m.seen[i] += 1.0
    m.gap[i] = 0.0
    if m.seen[i] > MEMORY_ROWS:
        m.seen[i] *= 0.5
        m.since[i] *= 0.5
        for mark in range(MARKS):
            m.gaps[i, mark] //= 2
    return 0.0 if m.seen[i] > ENOUGH_ROWS else math.nan


@njit(cache=True, error_model="numpy")
def _run(m: Gaps, values: F64, out: F64) -> None:
    for i in range(values.shape[1]):
        for t in range(values.shape[0]):
            present = math.isfinite(values[t, i])
            if present or m.seen[i] > 0.0:
                m.since[i] = min(m.since[i] + 1.0, LONGEST_GAP)
                out[t, i] = _present(m, i) if present else _missing(m, i)


class Absence:
    """Speaks surprise for missing values of series that used to be there; 0 while they are.

    Parameters
    ----------
    n : columns to begin with

    Examples
    --------
    >>> import numpy as np
    >>> values = np.ones((1_000, 1))
    >>> values[998:] = np.nan
    >>> surprise = Absence(1).update(np.arange(1_000) * 15_000, values).surprise[:, 0]
    >>> [round(float(s), 1) for s in surprise[996:]]
    [0.0, 0.0, 3.7, 4.3]
    """

    def __init__(self, n: int = 0) -> None:
        self._memory = _empty(n)
        self._last_ms: int | None = None

    def __len__(self) -> int:
        return len(self._memory.seen)

    @property
    def state_bytes_per_series(self) -> int:
        """Memory of one series, whatever it has seen."""
        return sum(array.nbytes for array in _empty(1))

    def update(self, times: I64, values: F64) -> Scores:
        """Score whether each value is there, then learn it.

        Parameters
        ----------
        times : (t,) unix ms, strictly increasing, after any earlier call; one row per step, also when nothing came
        values : (t, n) one column per series; NaN or infinite = missing

        Returns
        -------
        Scores : surprise 0 where a value is there; there is no expected value or band (NaN)

        Raises
        ------
        ValueError : shapes differ, n is not the number of columns, or times go back
        """
        times, values = as_rows(times, values)
        self._last_ms = check_rows(times, values, len(self), self._last_ms)
        surprise = np.full(values.shape, np.nan)
        if values.size:
            _run(self._memory, values, surprise)
        return Scores.without_band(surprise)

    def grow(self, n: int) -> None:
        """Make room for n columns; new ones start cold, old ones keep their memory."""
        check_growth(n, len(self))
        self._memory = joined(self._memory, _empty(n - len(self)))

    def forget(self, columns: NDArray[np.integer]) -> None:
        """Make columns cold: they belong to other series from now on."""
        for array in self._memory:
            array[columns] = 0

    def snapshot(self) -> State:
        """The whole memory as named arrays, with the version of their layout under "version"."""
        return to_state(self._memory, VERSION) | last_state(self._last_ms)

    def restore(self, state: State) -> None:
        """Take up a snapshot. Raises ValueError when its version, names, shapes or types are not ours."""
        self._memory = from_state(state, VERSION, _empty, "seen")
        self._last_ms = last_of(state)


def _empty(n: int) -> Gaps:
    seen, since, gap = np.zeros((3, n), np.float32)
    return Gaps(seen, since, gap, np.zeros((n, MARKS), np.uint16))
