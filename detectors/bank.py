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
from detectors._calibrate import LOOK_EVERY, learn_position, say
from detectors._clock import tick
from detectors._marks import position_of
from detectors._memory import (
    BORDER,
    F32,
    LEVEL,
    LEVELS,
    ODD,
    RATIO,
    RECENT,
    ROWS,
    WEIGHT,
    Memory,
    bytes_per_series,
    empty,
    forget,
    from_state,
    grown,
    to_state,
)
from detectors._rows import check_rows, last_of, last_state
from detectors._surprise import surprise
from detectors._weights import learn_squares, weigh
from detectors.constants import SHIPPED, Constants
from detectors.level import NAMES, RATES, follow, follow_mean, settle
from detectors.rarity import rarity_threshold
from detectors.scale import RATIO_LIMIT, bin_position, learn, loudness, write_weights

__all__ = ["Bank", "rarity_threshold"]

WARM_ROWS = 50.0  # no opinion before
VALUE_LIMIT = 1e20  # larger values are taken for this: their powers would leave the range of floats


class Room(NamedTuple):
    """Working space of one run: the same for every row, so that nothing is allocated on the way."""

    weights: F64  # (LEVELS,) of the followers' distances
    kinks: F64  # (2, LEVELS) for the band
    verdict: F64  # (5,) rarity, surprise, expected, lower, upper of the row


@njit(cache=True, error_model="numpy", inline="always")
def _oddness(d: F64, f: F32, x: float, weights: F64, c: Constants) -> float:
    """Weighted mean ratio of residual to usual size over all followers; `weights` take up what each counts."""
    limit = RATIO_LIMIT * loudness(f, c)
    total = 0.0
    for k in range(LEVELS):
        part = min(weights[k] * abs(x - d[LEVEL + k]), limit)
        f[RATIO + k] = part * LEVELS
        total += part * f[WEIGHT + k]
        weights[k] *= f[WEIGHT + k]
    return total


@njit(cache=True, error_model="numpy", inline="always")
def _score(d: F64, f: F32, x: float, now_s: float, learns: bool, room: Room, c: Constants) -> None:  # noqa: FBT001, PLR0917 - kernels take no keywords
    """Score one value of a series into `room.verdict`, then learn it."""
    place = bin_position(d, f)
    out = room.verdict
    out[:] = np.nan
    if d[ROWS] >= WARM_ROWS:
        write_weights(f, place, room.weights, c)
        z = _oddness(d, f, x, room.weights, c)
        odd = max(z, 0.5 * c.persistence * (z + f[ODD]))
        f[ODD] = z
        position = position_of(odd)
        out[0], out[1] = say(d, f, now_s, position, odd, c)
        band(d, room.weights, room.kinks, f[BORDER], out)
        if learns:
            learn_position(d, f, now_s, position, c)
            learn_squares(f)
            if int(d[ROWS]) % LOOK_EVERY == 0:
                weigh(f)
    if learns:
        learn(d, f, x, place)
        follow_mean(d, f)
        follow(d, f, x)
    d[RECENT] += max(RATES[1], 1.0 / d[ROWS]) * (x - d[RECENT])


@njit(cache=True, error_model="numpy")
def _run(  # noqa: PLR0917 - same
    m: Memory, times: I64, values: F64, freeze: NDArray[np.bool_], step_s: float, c: Constants, out: F64
) -> None:
    """Score all rows; series outside, rows inside: one series' memory stays in the cache for its rows."""
    room = Room(np.empty(LEVELS), np.empty((2, LEVELS)), np.empty(5))
    for i in range(values.shape[1]):
        d, f = m.doubles[i], m.floats[i]
        learns = not freeze[i]
        if not learns and d[ROWS] == 0.0:
            continue
        for t in range(values.shape[0]):
            x = values[t, i]
            if not math.isfinite(x):
                continue
            now_s = times[t] * 1e-3
            tick(d, now_s, step_s, learns)
            _score(d, f, min(max(x, -VALUE_LIMIT), VALUE_LIMIT), now_s, learns, room, c)
            for k in range(5):
                out[k, t, i] = room.verdict[k]


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
        if step_s is not None and not step_s > 0.0:
            raise ValueError(f"step_s must be > 0, got {step_s}")
        self._step_s = 0.0 if step_s is None else float(step_s)
        self._constants = constants
        self._memory = empty(n)
        self._last_ms: int | None = None

    def __len__(self) -> int:
        return len(self._memory.doubles)

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
        times, values = np.asarray(times, np.int64), np.asarray(values, np.float64)
        frozen = np.zeros(len(self), np.bool_) if freeze is None else np.asarray(freeze, np.bool_)
        if frozen.shape != (len(self),):
            raise ValueError(f"freeze must be {(len(self),)}, got {frozen.shape}")
        self._last_ms = check_rows(times, values, len(self), self._last_ms)
        out = np.full((5, *values.shape), np.nan)
        if values.size:
            _run(self._memory, times, values, frozen, self._step_s, self._constants, out)
        return Verdicts(*out)

    def grow(self, n: int) -> None:
        """Make room for n columns; new ones start cold, old ones keep their memory."""
        if n < len(self):
            raise ValueError(f"n must be >= {len(self)}, got {n}")
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
        d, f = self._memory.doubles[column], self._memory.floats[column]
        if d[ROWS] < WARM_ROWS:
            return dict.fromkeys(NAMES, math.nan)
        return {name: surprise(d, f, float(f[RATIO + k]), position_of(f[RATIO + k])) for k, name in enumerate(NAMES)}

    def counts(self, column: int) -> dict[str, float]:
        """How much each part counts on this column, learnt from how it behaves there: shares that sum to 1."""
        return {name: float(self._memory.floats[column, WEIGHT + k]) / LEVELS for k, name in enumerate(NAMES)}

    def accept(self, columns: NDArray[np.integer]) -> State:
        """Take the recent level of these columns as their normal one. Returns what it replaced, for `take_back`."""
        doubles, floats = self._memory
        replaced: State = {"doubles": doubles[columns].copy(), "floats": floats[columns].copy()}
        for i in columns:
            settle(doubles[i])
        return replaced

    def take_back(self, columns: NDArray[np.integer], replaced: State) -> None:
        """Undo an `accept` of the same columns: they know what they knew before it, and nothing since."""
        self._memory.doubles[columns] = replaced["doubles"]
        self._memory.floats[columns] = replaced["floats"]
