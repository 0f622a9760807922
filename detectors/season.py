"""Season: what is usual at this time of this kind of day, and how odd a value is against that.

Theory. A bin of the day (half-hours, hours on weekends) has two edges: the lowest and the highest value it usually
reaches in a day. An edge is learnt once a day, quickly outwards and slowly inwards (_season_bins.py). The oddness of a
value is its distance from the middle of the edges over half their distance; surprise is the share of this series'
earlier rows that were as odd against *their* time of day. So a peak that comes every night is not odd at night, and as
odd as ever at noon.

Rule 1: a bin is judged by earlier days only; nothing of today's bin moves its own band.
Rule 2: days are the sample. What happened on one day stays outside the band, whatever its size and length; what
happened on three earlier days, or in three earlier weeks at this half-hour, lies inside.
Rule 3: weekends lean on ordinary days until one was seen, bins on the whole series until their day was seen.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detectors._arrays import from_state, to_state
from detectors._base import F64, I64, Scores, State
from detectors._power import log2
from detectors._rows import as_rows, check_growth, check_rows, last_of, last_state, offset_of, step_of
from detectors._season_bins import HALF_HOUR_S, SLACK, close_bin, day_of, half_width, move_centre, open_bin
from detectors._season_memory import (
    F32,
    GRAIN_S,
    MARKS,
    VERSION,
    bytes_per_series,
    empty,
    forget,
    grown,
    pack,
    unpack,
)
from detectors._season_memory import Season as Memory
from detectors._season_recurring import recall

RATIO = 1.25  # between neighbouring marks
FIRST_MARK = 0.64  # of the usual reach: ordinary rows lie on both sides of it
MARK = FIRST_MARK * np.array([RATIO**h for h in range(MARKS)])
MARK_LOG2 = math.log2(RATIO)
LOG10_OF_2 = math.log10(2.0)
PRIOR_ROWS = 100.0  # weight of the shared tail, chosen like its share and slope
PRIOR_SHARE = 0.2  # of rows at or beyond the first mark
PRIOR_SLOPE = 4.0
PRIOR_ABOVE = PRIOR_ROWS * PRIOR_SHARE * (MARK / FIRST_MARK) ** -PRIOR_SLOPE
FEW_ROWS = 8.0  # a mark reached less often is extrapolated
ROWS_REMEMBERED = 2e6
STEP_REACH = 1.1  # one distance of rows moves the sampling step by this factor at most
VALUE_LIMIT = 1e20  # larger values are taken for this: deviations must fit into a 32-bit float

Forgiven = Literal["", "begins", "goes on"]
"""Whether a deviation is usual at its time, and whether it is the first row of it; "" = not usual."""

_FORGIVEN: tuple[Forgiven, ...] = ("", "begins", "goes on")


def reached(lower: float, upper: float) -> tuple[float, float]:
    """What days like this usually reach at this time: the band without its slack.

    >>> low, high = reached(90.0, 110.0)
    >>> round(low, 1), round(high, 1)
    (92.6, 107.4)
    """
    middle, half = 0.5 * (lower + upper), 0.5 * (upper - lower) / SLACK
    return middle - half, middle + half


@njit(cache=True, error_model="numpy", inline="always")
def _share(above: F32, counted: float, h: int) -> float:
    return float((above[h] + PRIOR_ABOVE[h]) / (counted + PRIOR_ROWS))


@njit(cache=True, error_model="numpy")
def _surprise(above: F32, counted: float, odd: float) -> float:
    """-log10 of the share of rows of a series this odd for their time."""
    if odd < FIRST_MARK:
        return -LOG10_OF_2 * log2(1.0 - odd / FIRST_MARK * (1.0 - _share(above, counted, 0)))
    position = log2(odd / FIRST_MARK) / MARK_LOG2
    top = int(min(position, MARKS - 2.0))
    while top > 0 and above[top + 1] < FEW_ROWS:
        top -= 1
    base, beyond = log2(_share(above, counted, top)), log2(_share(above, counted, top + 1))
    slope = base - beyond
    if position > top + 1.0:
        base, position = beyond, position - 1.0
        slope = max(slope, PRIOR_SLOPE * MARK_LOG2)
    return -LOG10_OF_2 * (base - (position - top) * slope)


@njit(cache=True, error_model="numpy")
def _count(above: F32, counted: float, odd: float) -> float:
    """Learn the oddness of a row; returns how many rows are counted now."""
    for h in range(MARKS):
        if MARK[h] > odd:
            break
        above[h] += 1.0
    if counted + 1.0 < ROWS_REMEMBERED:
        return counted + 1.0
    above *= np.float32(0.5)
    return 0.5 * (counted + 1.0)


@njit(cache=True, error_model="numpy")
def _turn(s: Memory, i: int, local_s: float) -> None:
    """Learn the bin of a series that is over, and open the next."""
    if s.seen[i]:
        close_bin(s, i)
        if day_of(local_s) != day_of(s.until[i] * HALF_HOUR_S - 1.0):
            move_centre(s, i)
    open_bin(s, i, local_s)


@njit(cache=True, error_model="numpy", inline="always")
def _step(step_s: float, gap_s: float) -> float:
    """A sampling step that follows the distances of rows like a median, so that gaps leave no trace."""
    if not step_s > 0.0:
        return gap_s
    return min(max(gap_s, step_s / STEP_REACH), step_s * STEP_REACH)


@njit(cache=True, error_model="numpy")
def _run(s: Memory, times: I64, values: F64, step_s: float, offset_s: float, out: F64) -> None:  # noqa: PLR0917 - kernels take no keywords
    """Score all rows; series outside, rows inside: one series' memory stays in the cache for its rows.

    One long loop: a call that takes the whole memory costs more than all that is done for an ordinary row.
    """
    for i in range(values.shape[1]):
        above = s.above[i]
        for t in range(values.shape[0]):
            x = values[t, i]
            if not math.isfinite(x):
                continue
            x = min(max(x, -VALUE_LIMIT), VALUE_LIMIT)
            now_s = times[t] * 1e-3
            if s.place[i] < 0:
                s.centre[i], s.step[i] = x, pack(step_s)
            elif step_s <= 0.0:
                s.step[i] = pack(_step(unpack(s.step[i]), now_s - GRAIN_S * s.last[i]))
            s.last[i] = math.floor(now_s / GRAIN_S)
            if now_s + offset_s >= s.until[i] * HALF_HOUR_S:
                _turn(s, i, now_s + offset_s)
            deviation = x - s.centre[i]
            low, high = float(s.low[i]), float(s.high[i])
            if not math.isnan(low):
                middle, half = 0.5 * (low + high), half_width(s.centre[i], low, high, s.miss[i])
                odd = abs(deviation - middle) / half
                out[0, t, i] = _surprise(above, s.counted[i], odd)
                out[1, t, i] = s.centre[i] + middle
                out[2, t, i] = s.centre[i] + middle - SLACK * half
                out[3, t, i] = s.centre[i] + middle + SLACK * half
                s.counted[i] = _count(above, s.counted[i], odd)
            first = not s.seen[i]
            s.peak[i] = deviation if first else max(s.peak[i], deviation)
            s.trough[i] = deviation if first else min(s.trough[i], deviation)
            s.seen[i] = True


class Season:
    """Speaks surprise for values that are not what earlier days showed at this time.

    Parameters
    ----------
    n : columns to begin with
    step_s : sampling step of all columns; None = estimated per column from its own rows as they come
    offset_s : local time minus UTC, fixed; days and weekends are those of this clock

    Examples
    --------
    A job every night at two; once also at noon:

    >>> import numpy as np
    >>> minutes = np.arange(9 * 1440)
    >>> load = np.random.default_rng(0).standard_normal(len(minutes)) + 50.0
    >>> load[minutes % 1440 // 20 == 6] += 100.0
    >>> load[8 * 1440 + 720] += 100.0
    >>> said = Season(1).update(minutes * 60_000, load[:, None])
    >>> night, noon = 8 * 1440 + 125, 8 * 1440 + 720
    >>> bool(load[night] < said.upper[night, 0]), bool(load[noon] < said.upper[noon, 0])
    (True, False)
    >>> bool(said.surprise[night, 0] < 2.0), bool(said.surprise[noon, 0] > 4.0)
    (True, True)

    Notes
    -----
    The band is what is usual at this time: values that days like this one reached on every other day, and a third
    more. No opinion before two days were seen. Times of day that were never seen lean on the whole series.
    Values beyond +/-1e20 are taken for that.

    It does not work well for patterns that drift through the day, whose cycle is neither a day nor a week, or that
    are shorter than the half-hour they are looked up by: within its half-hour, a peak is usual throughout.
    """

    def __init__(self, n: int = 0, step_s: float | None = None, offset_s: float = 0.0) -> None:
        self._step_s = step_of(step_s)
        self._offset_s = offset_of(offset_s)
        self._memory = empty(n)
        self._last_ms: int | None = None

    def __len__(self) -> int:
        return len(self._memory.centre)

    @property
    def state_bytes_per_series(self) -> int:
        """Memory of one series, whatever it has seen."""
        return bytes_per_series()

    def update(self, times: I64, values: F64) -> Scores:
        """Score each value with what earlier days taught, then learn it.

        Parameters
        ----------
        times : (t,) unix ms, strictly increasing, after any earlier call
        values : (t, n) one column per series; NaN or infinite = missing: no opinion, nothing learnt

        Raises
        ------
        ValueError : shapes differ, n is not the number of columns, or times go back
        """
        times, values = as_rows(times, values)
        self._last_ms = check_rows(times, values, len(self), self._last_ms)
        out = np.full((4, *values.shape), np.nan)
        if values.size:
            _run(self._memory, times, values, self._step_s, self._offset_s, out)
        return Scores(*out)

    def forgives(self, column: int, time_ms: int, *, up: bool, inside: bool) -> Forgiven:
        """Note that a column deviates at this time, and tell whether that is usual: no reason to call anybody.

        Usual is what deviated the same way near this time of day on three earlier days (at most three days apart, for
        weekends) or in three earlier weeks, and all that follows it without an hour's pause, as long as `inside`.

        Parameters
        ----------
        time_ms : not before any earlier time of this column
        up : whether the value went up
        inside : whether it lies in the band that `update` gave for it; NaN edges: it does not
        """
        local_s = time_ms * 1e-3 + self._offset_s
        return _FORGIVEN[recall(self._memory, column, local_s, 1 if up else -1, inside)]

    def grow(self, n: int) -> None:
        """Make room for n columns; new ones start cold, old ones keep their memory."""
        check_growth(n, len(self))
        self._memory = grown(self._memory, n)

    def forget(self, columns: NDArray[np.integer]) -> None:
        """Make columns cold: they belong to other series from now on."""
        forget(self._memory, columns)

    def snapshot(self) -> State:
        """The whole memory as named arrays, with the version of their layout under "version"."""
        return to_state(self._memory, VERSION) | last_state(self._last_ms)

    def restore(self, state: State) -> None:
        """Take up a snapshot. Raises ValueError when its version, names, shapes or types are not ours."""
        self._memory = from_state(state, VERSION, empty, "centre")
        self._last_ms = last_of(state)
