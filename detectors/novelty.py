"""Novelty: how far the last few values, as a shape, are from every shape of the recent past.

Each row the last `LENGTH` values are compared with all windows of that length among the rows kept, by Euclidean
distance and without any scaling, so that a shape at another level is another shape; the nearest one counts (the left
matrix profile of [1], which looks back only). Windows that overlap the newest one are no past. The surprise of that
distance is -log10 of the share of this series' earlier rows that were as far from their past, with a small shared tail.

Work per row grows with the rows kept, memory too: meant for a second look at few series, not for all of them.

References
----------
[1] C.-C. M. Yeh et al. (2016), Matrix Profile I, ICDM; section II for the profile, here causal and Euclidean.
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

VERSION = 1
LENGTH = 6  # rows of a shape, chosen of 3, 4, 6 and 8, which differ little
ROWS = 96  # kept by default: what fits into a KiB
WARM_ROWS = 50.0  # no opinion before
MARKS = 40  # sizes of a distance at which rows are counted
RATIO = 1.25  # between neighbouring marks
FIRST_MARK = 0.1  # of the usual distance
MEMORY_ROWS = 2_000.0  # of the usual distance
FEW_ROWS = 8.0  # a mark reached less often is extrapolated
COUNT_LIMIT = 2e6  # counts are halved beyond
PRIOR_ROWS = 20.0  # weight of the shared tail, chosen like its share and slope
PRIOR_SHARE, PRIOR_SLOPE = 0.5, 3.0
SMALLEST = 1e-9  # of the size of the values: rounding is no distance
VALUE_LIMIT = 1e20  # larger values are taken for this: their squares must stay finite


class Shapes(NamedTuple):
    """Memory of n series: values kept, oldest overwritten; how many were seen; usual distance; rows by distance."""

    ring: F64  # (n, rows)
    seen: F64  # (n,)
    usual: F64  # (n,)
    counted: F32  # (n,)
    above: F32  # (n, MARKS) rows at or above each mark


@njit(cache=True, error_model="numpy")
def _nearest(ring: F64, newest: int, kept: int) -> float:
    """Distance of the newest window to the nearest one that does not overlap it."""
    rows, best = len(ring), math.inf
    for back in range(LENGTH, kept - LENGTH + 1):
        total = 0.0
        for j in range(LENGTH):
            apart = ring[(newest - j) % rows] - ring[(newest - back - j) % rows]
            total += apart * apart
            if total >= best:
                break
        best = min(best, total)
    return math.sqrt(best)


@njit(cache=True, error_model="numpy")
def _reached(above: F32, mark: int) -> float:
    """Rows at or above a mark, the shared tail among them."""
    return float(above[mark] + PRIOR_ROWS * min(1.0, PRIOR_SHARE * (FIRST_MARK * RATIO**mark) ** -PRIOR_SLOPE))


@njit(cache=True, error_model="numpy")
def _surprise(above: F32, counted: float, far: float) -> float:
    """-log10 of the share of earlier rows this far from their past; `far` in usual distances."""
    position = math.log(max(far, FIRST_MARK) / FIRST_MARK) / math.log(RATIO)
    mark = min(int(position), MARKS - 2)
    while mark > 0 and _reached(above, mark + 1) < FEW_ROWS:
        mark -= 1
    everything = counted + PRIOR_ROWS
    base, beyond = math.log10(_reached(above, mark) / everything), math.log10(_reached(above, mark + 1) / everything)
    slope = base - beyond
    if position > mark + 1.0:  # beyond what was counted: at least as steep as the shared tail
        base, position, slope = beyond, position - 1.0, max(slope, PRIOR_SLOPE * math.log10(RATIO))
    return -(base - (position - mark) * slope)


@njit(cache=True, error_model="numpy")
def _count(m: Shapes, i: int, far: float) -> None:
    for h in range(MARKS):
        if FIRST_MARK * RATIO**h > max(far, FIRST_MARK):
            break
        m.above[i, h] += 1.0
    m.counted[i] += 1.0
    if m.counted[i] > COUNT_LIMIT:
        m.counted[i] *= 0.5
        for h in range(MARKS):
            m.above[i, h] *= 0.5


@njit(cache=True, error_model="numpy")
def _run(m: Shapes, values: F64, out: F64) -> None:
    rows = m.ring.shape[1]
    for i in range(values.shape[1]):
        for t in range(values.shape[0]):
            x = values[t, i]
            if not math.isfinite(x):
                continue
            x = min(max(x, -VALUE_LIMIT), VALUE_LIMIT)
            newest = int(m.seen[i]) % rows
            m.ring[i, newest] = x
            m.seen[i] += 1.0
            kept = min(int(m.seen[i]), rows)
            if kept < 2 * LENGTH:
                continue
            distance = _nearest(m.ring[i], newest, kept)
            least = SMALLEST * abs(x) + 1e-18
            if m.seen[i] > WARM_ROWS:
                far = min((distance + least) / (m.usual[i] + least), 1e30)
                out[t, i] = _surprise(m.above[i], m.counted[i], far)
                _count(m, i, far)
            m.usual[i] += max(1.0 / MEMORY_ROWS, 1.0 / (m.seen[i] - 2 * LENGTH + 1.0)) * (distance - m.usual[i])


class Novelty:
    """Speaks surprise when the last few values form a shape that the rows kept do not have.

    Parameters
    ----------
    n : columns to begin with
    rows : how many rows of each series are kept

    Examples
    --------
    A saw, whose teeth once stand still at a height that is usual:

    >>> import numpy as np
    >>> saw = np.arange(2_000) % 8 + np.random.default_rng(0).normal(0, 0.05, 2_000)
    >>> saw[1_800:1_806] = 4.0
    >>> surprise = Novelty(1).update(np.arange(2_000) * 60_000, saw[:, None]).surprise[:, 0]
    >>> int(np.nanargmax(surprise)) in range(1_800, 1_812)
    True

    Notes
    -----
    It does not work well on what never repeats: a level that wanders, or noise that grows, is new all the time. Then
    its surprise stays small, as it is measured against how new this series usually is.
    """

    def __init__(self, n: int = 0, rows: int = ROWS) -> None:
        if rows < 4 * LENGTH:
            raise ValueError(f"rows must be >= {4 * LENGTH}, got {rows}")
        self._rows = rows
        self._memory = _empty(n, rows)
        self._last_ms: int | None = None

    def __len__(self) -> int:
        return len(self._memory.seen)

    @property
    def state_bytes_per_series(self) -> int:
        """Memory of one series, whatever it has seen."""
        return sum(array.nbytes for array in _empty(1, self._rows))

    def update(self, times: I64, values: F64) -> Scores:
        """Score the shape that each value ends, then learn it.

        Parameters
        ----------
        times : (t,) unix ms, strictly increasing, after any earlier call; distances in time play no part
        values : (t, n) one column per series; NaN or infinite = missing: no opinion, no part of a shape

        Returns
        -------
        Scores : NaN in the first 50 rows; there is no expected value or band (NaN)

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
        self._memory = joined(self._memory, _empty(n - len(self), self._rows))

    def snapshot(self) -> State:
        """The whole memory as named arrays, with the version of their layout under "version"."""
        return to_state(self._memory, VERSION) | last_state(self._last_ms)

    def restore(self, state: State) -> None:
        """Take up a snapshot. Raises ValueError when its version, names, shapes or types are not ours."""
        self._memory = from_state(state, VERSION, lambda n: _empty(n, self._rows), "seen")
        self._last_ms = last_of(state)


def _empty(n: int, rows: int) -> Shapes:
    counted, above = np.zeros(n, np.float32), np.zeros((n, MARKS), np.float32)
    return Shapes(np.zeros((n, rows)), np.zeros(n), np.zeros(n), counted, above)
