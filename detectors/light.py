"""The light bank: the least that can be known of a series, for millions of them on a share of one core.

Theory, row by row, everything before the row is learnt:

1. residual of the value from its level and from what this hour of the day usually adds, over the usual size of
   residuals; several on one side weigh more (level, season, scale, shift: _light_block.py);
2. only a series' odd rows, one in 200, are looked at further, found without a branch;
3. surprise and rarity of those from two borders the series keeps of its own tail (tail: _light_tail.py);
4. then everything is learnt, as in the full bank: nothing is clipped, nothing is excluded.

Rule 1: a row's verdict depends on earlier rows of that series and itself only. Rule 2: a missing value (NaN or
infinite) gives no opinion and changes nothing but the passing of time. Rule 3: memory per series is constant.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detectors import _light_memory as memory
from detectors._arrays import from_state, to_state
from detectors._base import F64, I64, State, Verdicts
from detectors._clock import quiet_s as quiet_time_s
from detectors._light_block import ODD_DOWN, ODD_UP, WARM_ROWS, Moment, Room, select, select_watched, sweep
from detectors._light_hour import turn_hour
from detectors._light_memory import F32, HOUR, HOUR_ROWS, HOURS, LAST_S, STEP_S, LightMemory
from detectors._light_tail import HOUR_S, Pace, band_odd, is_onset, learn_tail, least_odd, pace_of, rarity, surprise
from detectors._power import log2
from detectors._rows import as_rows, check_growth, check_rows, last_of, last_state, offset_of, step_of
from detectors.rarity import LOWEST, NOT_AN_ONSET

BLOCK = 8192  # series of a block: what a sweep leaves of them (100 KB) stays in the second-level cache
STEP_REACH = 1.1  # one distance of rows moves the sampling step by this factor at most
UNKNOWN_STEP_S = 60.0  # before a second row was seen
LONGEST_QUIET_S = 65_000.0  # times within the quiet time are kept modulo 65,536 s
HUGE = 1e20  # beyond the limit of values, and still a 32-bit float


I32 = NDArray[np.int32]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Odd:
    """What a tick tells of: series with an odd value, by column, (k,) each.

    Parameters
    ----------
    columns : increasing
    rarity, surprise, expected, lower, upper : as in `Verdicts`
    """

    columns: I32
    rarity: F64
    surprise: F64
    expected: F64
    lower: F64
    upper: F64


@njit(cache=True, error_model="numpy")
def _moment(m: LightMemory, now_s: float, step_s: float, offset_s: float) -> tuple[Moment, Pace]:
    """Advance the clock of the bank to a row; learn the hour if it is over."""
    clock = m.clock
    gap_s = now_s - clock[LAST_S]
    if step_s > 0.0:
        clock[STEP_S] = step_s
    elif clock[STEP_S] <= 0.0:
        clock[STEP_S] = max(0.0, gap_s)
    else:
        clock[STEP_S] = min(max(gap_s, clock[STEP_S] / STEP_REACH), clock[STEP_S] * STEP_REACH)
    known_step_s = clock[STEP_S] if clock[STEP_S] > 0.0 else UNKNOWN_STEP_S
    pace = pace_of(now_s, known_step_s, min(quiet_time_s(known_step_s), LONGEST_QUIET_S))
    hours = (now_s + offset_s) / HOUR_S
    if np.floor(hours) != clock[HOUR]:
        if clock[HOUR_ROWS] > 0.0:
            turn_hour(m, int(clock[HOUR]) % HOURS, pace, gap_s > pace.quiet_s)
        clock[HOUR], clock[HOUR_ROWS] = np.floor(hours), 0.0
    clock[LAST_S] = now_s
    clock[HOUR_ROWS] += 1.0
    return _place(hours, clock[HOUR_ROWS]), pace


@njit(cache=True, error_model="numpy")
def _place(hours: float, hour_rows: float) -> Moment:
    middle = np.floor(hours - 0.5)
    weight = np.float32(hours - 0.5 - middle)
    low = int(middle) % HOURS
    return Moment(low, (low + 1) % HOURS, np.float32(1.0) - weight, weight, np.float32(1.0 / hour_rows))


@njit(cache=True, error_model="numpy")
def _room(size: int) -> Room:
    return Room(np.empty(size, np.float32), np.empty(size, np.float32), np.empty(size, np.float32))


@njit(cache=True, error_model="numpy")
def _judge(m: LightMemory, i: int, odd: float, pace: Pace, least: float, out: F64) -> tuple[float, bool]:  # noqa: PLR0917 - kernels take no keywords
    """Write rarity and surprise of a row to out[:2] and learn its tail.

    Returns the oddness at its band's border, and whether its rarity, onset or not, is at least `least`.
    """
    b, t = m.borders[i], m.tail[i]
    # The sweep has moved the lowest border already.
    first, at = log2(m.odd[i] / float(ODD_UP if odd > 0.0 else ODD_DOWN)), log2(max(abs(odd), 1e-3))
    out[0], out[1] = rarity(b, t, first, at, pace), surprise(b, first, at)
    is_told, edge = out[0] >= least, 0.0
    if is_told:
        edge = band_odd(b, t, first, pace)
    if odd > 0.0:
        if not is_onset(t, at, pace):
            out[0] -= NOT_AN_ONSET
        learn_tail(b, t, first, at, pace)
    return edge, is_told


@njit(cache=True, error_model="numpy")
def _surround(room: Room, place: int, x: float, edge: float, out: F64) -> None:
    """Write expected value and band to out[2:5]."""
    half = edge * room.scale[place]
    out[2] = x - room.residual[place]
    out[3], out[4] = out[2] - half, out[2] + half


@njit(cache=True, error_model="numpy")
def _narrowed(values: F64) -> F32:
    """The same in 32 bits: what is too large for them is `HUGE`, what is infinite is missing."""
    x = np.empty(len(values), np.float32)
    for i in range(len(values)):
        value = min(max(values[i], -HUGE), HUGE)
        x[i] = value if np.isfinite(values[i]) else np.nan
    return x


@njit(cache=True, error_model="numpy")
def _run(m: LightMemory, times: I64, values: F64, step_s: float, offset_s: float, out: F64) -> None:  # noqa: PLR0917 - same
    """Score and learn rows; out (t, n, 5)."""
    n = values.shape[1]
    room = _room(min(BLOCK, n))
    for row in range(len(times)):
        at, pace = _moment(m, times[row] * 1e-3, step_s, offset_s)
        x = _narrowed(values[row])
        for first in range(0, n, BLOCK):
            sweep(m, x, first, at, room)
            for place in range(min(BLOCK, n - first)):
                if room.odd[place] == room.odd[place]:
                    i = first + place
                    edge, _ = _judge(m, i, float(room.odd[place]), pace, -np.inf, out[row, i])
                    _surround(room, place, float(x[i]), edge, out[row, i])


@njit(cache=True, error_model="numpy")
def _fetched(m: LightMemory, first: int, found: I32) -> float:
    """Read the tails of some series all at once: one after the other, each would wait for the memory."""
    total = 0.0
    for place in found:
        total += m.borders[first + place, 0] + m.tail[first + place, 0]
    return total


@njit(cache=True, error_model="numpy")
def _tick(  # noqa: PLR0917 - same
    m: LightMemory,
    now_s: float,
    x: F32,
    step_s: float,
    offset_s: float,
    least: float,
    watched: Bools,
    columns: I32,
    said: F64,
) -> tuple[int, float]:
    """Score and learn one row; who is as rare as `least`, or watched (n or 0,), goes to `columns` and `said` (n, 5).

    Returns how many they are, and a number that nobody wants: without it the compiler would fetch nothing ahead.
    """
    at, pace = _moment(m, now_s, step_s, offset_s)
    room, found, out = _room(BLOCK), np.empty(BLOCK + 1, np.int32), np.empty(5)
    count, fetched, is_watching = 0, 0.0, len(watched) > 0
    far = least_odd(m.tail, least, pace) if is_watching else np.inf
    for first in range(0, len(x), BLOCK):
        sweep(m, x, first, at, room)
        n = min(BLOCK, len(x) - first)
        if is_watching:
            some = select_watched(room.odd[:n], watched[first : first + n], far, found)
        else:
            some = select(room.odd, n, found)
        fetched += _fetched(m, first, found[:some])
        for k in range(some):
            place, i = found[k], first + found[k]
            enough = -np.inf if is_watching and watched[i] else least
            edge, is_told = _judge(m, i, float(room.odd[place]), pace, enough, out)
            if is_told:
                _surround(room, place, float(x[i]), edge, out)
                columns[count], said[count] = i, out
                count += 1
    return count, fetched


class Light:
    """Scores n series at once against their own past in 94 bytes each: for what may not page, or is too much.

    Parameters
    ----------
    n : columns to begin with
    step_s : sampling step; None = estimated from the rows as they come, one for all columns
    offset_s : local time minus UTC, fixed; hours of the day are those of this clock

    Examples
    --------
    >>> import numpy as np
    >>> light = Light(2)
    >>> x = np.random.default_rng(0).standard_normal((20_000, 2)) + 100
    >>> x[19_000, 1] += 20
    >>> said = light.update(np.arange(20_000) * 60_000, x)
    >>> int(np.nanargmax(said.rarity[:, 1])), bool(said.rarity[19_000, 1] > 1.48)
    (19000, True)
    >>> odd = light.tick(20_000 * 60_000, np.array([100.0, 120.0], np.float32))
    >>> odd.columns.tolist(), bool(odd.surprise[0] > 4.0)
    ([1], True)

    Notes
    -----
    Compared with the full bank: one follower instead of four, no scale by level, no own count of pages, whole hours
    as the only season. Values are 32-bit: variations below a millionth of the values' size are no variations, and
    values beyond +/-1e18 are taken for that. Infinite values are missing values.

    It does not work well with steps above a quarter of an hour: it begins to look at one row in 200, and pages that
    come more often than that are not told apart.
    """

    def __init__(self, n: int = 0, step_s: float | None = None, offset_s: float = 0.0) -> None:
        self._step_s = step_of(step_s)
        self._offset_s = offset_of(offset_s)
        self._memory = memory.empty(n)
        self._last_ms: int | None = None

    def __len__(self) -> int:
        return len(self._memory.level)

    @property
    def state_bytes_per_series(self) -> int:
        """Memory of one series, whatever it has seen."""
        return memory.bytes_per_series()

    def update(self, times: I64, values: F64, freeze: Bools | None = None) -> Verdicts:
        """Score each value with what earlier ones taught, then learn it.

        Parameters
        ----------
        times : (t,) unix ms, strictly increasing, after any earlier call
        values : (t, n) one column per series, in the unit of the series; NaN or infinite = missing
        freeze : (n,) columns to leave alone: no opinion, nothing learnt

        Raises
        ------
        ValueError : shapes differ, n is not the number of columns, or times go back
        """
        times, values = as_rows(times, values)
        if freeze is not None:
            if freeze.shape != (len(self),):
                raise ValueError(f"freeze must be {(len(self),)}, got {freeze.shape}")
            values = np.where(freeze, np.nan, values) if freeze.any() else values
        self._last_ms = check_rows(times, values, len(self), self._last_ms)
        out = np.full((*values.shape, 5), np.nan)
        if values.size:
            _run(self._memory, times, values, self._step_s, self._offset_s, out)
        return Verdicts(*(out[..., k] for k in range(5)))

    def tick(self, time_ms: int, values: F32 | F64, least: float = LOWEST, watched: Bools | None = None) -> Odd:
        """Score one row, then learn it: the same as `update`, but only of what is odd anything is told.

        Parameters
        ----------
        time_ms : unix ms, after any earlier row
        values : (n,) 32 or 64 bits, NaN or infinite = missing
        least : rarity, onset or not, below which nothing is told
        watched : (n,) columns of which whatever `update` says is told. Of the others everything as rare as `least` is
            told then, also rows that are rare and not odd: with a low threshold, or on a series with heavy tails

        Raises
        ------
        ValueError : the number of values or of `watched` is not that of the columns, or the time goes back
        """
        n = len(self)
        if watched is not None and watched.shape != (n,):
            raise ValueError(f"watched must be {(n,)}, got {watched.shape}")
        self._last_ms = check_rows(np.array([time_ms]), values[None, :], n, self._last_ms)
        is_wide = values.dtype == np.float64
        x = _narrowed(np.asarray(values, np.float64)) if is_wide else np.ascontiguousarray(values, np.float32)
        columns, said = np.empty(n, np.int32), np.empty((n, 5))
        also = np.zeros(0, np.bool_) if watched is None else watched
        count, _ = _tick(self._memory, time_ms * 1e-3, x, self._step_s, self._offset_s, least, also, columns, said)
        return Odd(columns[:count].copy(), *said[:count].T.copy())

    @property
    def warm(self) -> Bools:
        """Columns (n,) that have seen enough rows for an opinion on the next."""
        return np.asarray(self._memory.rows >= WARM_ROWS)

    def grow(self, n: int) -> None:
        """Make room for n columns; new ones start cold, old ones keep their memory."""
        check_growth(n, len(self))
        self._memory = memory.grown(self._memory, n)

    def forget(self, columns: NDArray[np.integer]) -> None:
        """Make columns cold: they belong to other series from now on."""
        memory.forget(self._memory, columns)

    def snapshot(self) -> State:
        """The whole memory as named arrays, with the version of their layout under "version"."""
        return to_state(self._memory, memory.VERSION) | last_state(self._last_ms)

    def restore(self, state: State) -> None:
        """Take up a snapshot. Raises ValueError when its version, names, shapes or types are not ours."""
        self._memory = from_state(state, memory.VERSION, memory.empty, "level")
        self._last_ms = last_of(state)
