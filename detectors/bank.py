"""The bank: all followers, scales and counts of n series, one kernel.

Theory, row by row, everything before the row is learnt:

1. residuals from four followers (level.py), each over its usual size at this level (scale.py) = four ratios;
2. oddness z = 0.85 weighted mean ratio (_weights.py), and persistence: max(z, 0.75 (z + z of the row before));
3. surprise and rarity of that oddness from this series' own past (_surprise.py, _pages.py);
4. rarity is kept for onsets only (_onset.py);
5. then everything is learnt: nothing is clipped, nothing is excluded, unless the column is frozen.

Rule 1: a row's verdict depends on earlier rows of that series and itself only.
Rule 2: a missing value (NaN or infinite) gives no opinion and changes nothing.
Rule 3: memory per series is constant.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detectors._band import band
from detectors._base import F64, I64, State, Verdicts
from detectors._buckets import pass_time
from detectors._calibrate import LOOK_EARLY, YOUNG_ROWS, learn_position, say
from detectors._clock import tick
from detectors._marks import position_of
from detectors._memory import (
    LEVELS,
    PACES,
    RATIO_GRAIN,
    Memory,
    Series,
    bytes_per_series,
    empty,
    forget,
    from_state,
    grown,
    to_state,
)
from detectors._rows import as_rows, check_growth, check_rows, last_of, last_state, step_of
from detectors._surprise import surprise
from detectors._weights import learn_squares, weigh
from detectors.constants import SHIPPED, Constants
from detectors.level import NAMES, follow, follow_recent, settle
from detectors.rarity import rarity_threshold
from detectors.scale import PART_LIMIT, PER_PACE, bin_position, learn, look_at_scale, write_usual

__all__ = ["Bank", "rarity_threshold"]

WARM_ROWS = 50.0  # no opinion before
VALUE_LIMIT = 1e20  # larger values are taken for this: their powers would leave the range of floats
LOUD_ROW = 3.0  # a row odder than this moves the scale so far that the next one needs it


class Room(NamedTuple):
    """Working space of one run: the same for every row, so that nothing is allocated on the way."""

    usual: F64  # (PACES,) see scale.py
    weights: F64  # (LEVELS,) of the followers' distances
    kinks: F64  # (2, LEVELS) for the band
    verdict: F64  # (5,) rarity, surprise, expected, lower, upper of the row


@njit(cache=True, error_model="numpy", inline="always")
def _oddness(s: Series, step: float, usual: F64, weights: F64) -> float:
    """Weighted mean ratio of residual to usual size over all followers; writes the weights of their distances.

    `usual` is what one over the usual size is at this level, see `write_usual`.
    """
    total = 0.0
    for k in range(LEVELS):
        loud = usual[k // PER_PACE] * s.loud[k]
        part = min(loud * abs(step + s.offset[k]), PART_LIMIT)
        ratio = part * LEVELS
        s.ratio[k] = min(ratio * (1.0 / RATIO_GRAIN) + 0.5, 65_535.0)
        total += part * s.weight[k]
        weights[k] = loud * s.weight[k]
    return total


@njit(cache=True, error_model="numpy", inline="always")
def _score(s: Series, x: float, learns: bool, room: Room, c: Constants) -> None:  # noqa: FBT001 - kernels take no keywords
    """Score one value of a series into `room.verdict`, then learn it."""
    place, step = bin_position(s), x - s.last
    rows, odd, out = float(s.rows), 0.0, room.verdict
    if rows >= WARM_ROWS:
        write_usual(s, place, room.usual)
        z = _oddness(s, step, room.usual, room.weights)
        odd = max(z, 0.5 * c.persistence * (z + s.odd))
        s.odd = z
        position = position_of(odd)
        out[0], out[1] = say(s, position, odd, c)
        band(s, room.weights, room.kinks, s.border, out)
        if learns:
            learn_position(s, position, c)
            learn_squares(s)
    else:
        out[:] = np.nan
    safe = 1.0 / rows
    follow_recent(s, step, safe, learns)
    if learns:
        learn(s, step, place, safe)
        follow(s, x, safe)
        if rows < YOUNG_ROWS or odd > LOUD_ROW or s.turn % LOOK_EARLY == 0:
            look_at_scale(s, c)
            weigh(s)


@njit(cache=True, error_model="numpy")
def _run(  # noqa: PLR0917 - same
    m: Memory, times: I64, values: F64, freeze: NDArray[np.bool_], step_s: float, c: Constants, out: F64
) -> None:
    """Score all rows; series outside, rows inside: one series' memory stays in the cache for its rows."""
    room = Room(np.empty(PACES), np.empty(LEVELS), np.empty((2, LEVELS)), np.empty(5))
    for i in range(values.shape[1]):
        s = m[i]
        learns = not freeze[i]
        if not learns and s.rows == 0.0:
            continue
        for t in range(values.shape[0]):
            x = values[t, i]
            if not math.isfinite(x):
                continue
            pass_time(s, tick(s, times[t] * 1e-3, step_s, learns))
            _score(s, min(max(x, -VALUE_LIMIT), VALUE_LIMIT), learns, room, c)
            for k in range(5):
                out[k, t, i] = room.verdict[k]


@njit(cache=True, error_model="numpy")
def _spoke(m: Memory, i: int, out: F64) -> None:
    s = m[i]
    if s.rows >= WARM_ROWS:
        for k in range(LEVELS):
            ratio = RATIO_GRAIN * s.ratio[k]
            out[k] = surprise(s, ratio, position_of(ratio))


class Bank:
    """Scores n series at once against their own past, in rarity and surprise.

    Parameters
    ----------
    n : columns to begin with
    step_s : sampling step of all columns; None = estimated per column from its own rows as they come
    constants : what was chosen on data; the shipped ones unless the choice itself is being tested

    Examples
    --------
    >>> import numpy as np
    >>> bank = Bank(1)
    >>> x = np.random.default_rng(0).standard_normal(20_000) + 100
    >>> x[19_000] += 20
    >>> verdicts = bank.update(np.arange(20_000) * 60_000, x[:, None])
    >>> np.flatnonzero(verdicts.rarity > rarity_threshold(1 / 30)).tolist()
    [19000]
    >>> bool(verdicts.upper[19_000, 0] < x[19_000])
    True

    Notes
    -----
    The band is where a value would open less than one page in 30 days on its own; a pair of values just inside may
    still page. It is NaN in the first rows, like everything else. Values beyond +/-1e20 are taken for that;
    variations below 1e-18 or a millionth of the values' size are no variations. Infinite values are missing values.

    It does not work well on series with fewer than about a hundred rows in the quiet time of an hour per cycle of
    their pattern: a rare but regular peak is odd every time until it has been seen often.
    """

    def __init__(self, n: int = 0, step_s: float | None = None, constants: Constants = SHIPPED) -> None:
        self._step_s = step_of(step_s)
        self._constants = constants
        self._memory = empty(n)
        self._last_ms: int | None = None

    def __len__(self) -> int:
        return len(self._memory)

    @property
    def state_bytes_per_series(self) -> int:
        """Memory of one series, whatever it has seen."""
        return bytes_per_series()

    def update(self, times: I64, values: F64, freeze: NDArray[np.bool_] | None = None) -> Verdicts:
        """Score each value with what earlier ones taught, then learn it.

        Parameters
        ----------
        times : (t,) unix ms, strictly increasing, after any earlier call
        values : (t, n) one column per series, in the unit of the series; NaN or infinite = missing
        freeze : (n,) columns to score without learning, while what they show is known to be abnormal. A frozen column
            is judged by the level it had before: freeze for an incident, not for days, then `accept` or go on

        Raises
        ------
        ValueError : shapes differ, n is not the number of columns, or times go back
        """
        times, values = as_rows(times, values)
        frozen = np.zeros(len(self), np.bool_) if freeze is None else np.require(freeze, np.bool_, ("C", "W"))
        if frozen.shape != (len(self),):
            raise ValueError(f"freeze must be {(len(self),)}, got {frozen.shape}")
        self._last_ms = check_rows(times, values, len(self), self._last_ms)
        out = np.full((5, *values.shape), np.nan)
        if values.size:
            _run(self._memory, times, values, frozen, self._step_s, self._constants, out)
        return Verdicts(*out)

    def grow(self, n: int) -> None:
        """Make room for n columns; new ones start cold, old ones keep their memory."""
        check_growth(n, len(self))
        self._memory = grown(self._memory, n)

    def forget(self, columns: NDArray[np.integer]) -> None:
        """Make columns cold: they belong to other series from now on."""
        forget(self._memory, columns)

    def snapshot(self) -> State:
        """The whole memory as named arrays, with the version of their layout under "version"."""
        return to_state(self._memory) | last_state(self._last_ms)

    def restore(self, state: State) -> None:
        """Take up a snapshot. Raises ValueError when its version, names, shapes or types are not ours."""
        self._memory = from_state(state)
        self._last_ms = last_of(state)

    def spoke(self, column: int) -> dict[str, float]:
        """Surprise of each part of the bank at the column's last row, by the name of what it looks for.

        NaN before the column had an opinion. The parts share the column's row counts, so they can be compared.
        """
        said = np.full(LEVELS, np.nan)
        _spoke(self._memory, column, said)
        return dict(zip(NAMES, said.tolist(), strict=True))

    def counts(self, column: int) -> dict[str, float]:
        """How much each part counts on this column, learnt from how it behaves there: shares that sum to 1."""
        return {name: float(self._memory["weight"][column, k]) / LEVELS for k, name in enumerate(NAMES)}

    def accept(self, columns: NDArray[np.integer]) -> State:
        """Take the recent level of these columns as their normal one. Returns what it replaced, for `take_back`."""
        replaced: State = {name: self._memory[name][columns] for name in self._memory.dtype.names or ()}
        for i in columns:
            settle(self._memory, i)
        return replaced

    def take_back(self, columns: NDArray[np.integer], replaced: State) -> None:
        """Undo an `accept` of the same columns: they know what they knew before it, and nothing since."""
        for name, array in replaced.items():
            self._memory[name][columns] = array
