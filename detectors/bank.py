"""The bank: all followers, scales and counts of n series, one kernel.

Theory, row by row, everything before the row is learnt:

1. residuals from four followers (level.py), each over its usual size at this level (scale.py) = four ratios;
2. oddness z = 0.85 mean ratio, and persistence: max(z, 0.75 (z + z of the row before));
3. surprise and rarity of that oddness from this series' own past (_calibrate.py);
4. rarity is kept for onsets only (_onset.py);
5. then everything is learnt: nothing is clipped, nothing is excluded, unless the column is frozen.

Rule 1: a row's verdict depends on earlier rows of that series and itself only.
Rule 2: a missing value (NaN or infinite) gives no opinion and changes nothing.
Rule 3: memory per series is constant.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detectors._band import centre, edge
from detectors._base import F64, I64, State, Verdicts
from detectors._calibrate import count_page, count_row, odd_at, rarity, surprise
from detectors._clock import tick
from detectors._memory import LEVELS, Memory, bytes_per_series, empty, from_state, grown, to_state
from detectors._onset import is_onset
from detectors._rows import check_rows, last_of, last_state
from detectors.level import NAMES, RATES, follow, follow_mean, settle
from detectors.rarity import NOT_AN_ONSET, rarity_threshold
from detectors.scale import RATIO_LIMIT, bin_position, learn, sigma

__all__ = ["Bank", "rarity_threshold"]

GAIN = 0.85  # puts the oddness of ordinary rows below the first mark
PERSISTENCE = 1.5  # two rows in a row weigh this much over their mean
WARM_ROWS = 50.0  # no opinion before
BORDER_EVERY = 16.0  # rows between two looks for the border of the band
BORDER_RARITY = rarity_threshold(1 / 30)  # the band ends where a page a month would open
VALUE_LIMIT = 1e20  # larger values are taken for this: their powers would leave the range of floats


@njit(cache=True, error_model="numpy")
def _weights(m: Memory, i: int, position: float) -> tuple[float, ...]:
    return (
        GAIN / LEVELS / sigma(m, i, 0, position),
        GAIN / LEVELS / sigma(m, i, 1, position),
        GAIN / LEVELS / sigma(m, i, 2, position),
        GAIN / LEVELS / sigma(m, i, 3, position),
    )


@njit(cache=True, error_model="numpy")
def _oddness(m: Memory, i: int, x: float, weights: tuple[float, ...]) -> float:
    total = 0.0
    for k in range(LEVELS):
        part = min(weights[k] * abs(x - m.level[i, k]), GAIN / LEVELS * RATIO_LIMIT)
        m.ratio[i, k] = part * LEVELS
        total += part
    return total


@njit(cache=True, error_model="numpy")
def _learn(m: Memory, i: int, x: float, now_s: float, odd: float, position: float) -> None:  # noqa: PLR0917 - kernels take no keywords
    if m.rows[i] >= WARM_ROWS:
        count_row(m, i, odd)
        count_page(m, i, now_s, odd)
    learn(m, i, x, position)
    follow_mean(m, i)
    follow(m, i, x)
    if m.rows[i] >= WARM_ROWS and m.rows[i] % BORDER_EVERY == 0.0:
        m.border[i] = odd_at(m, i, BORDER_RARITY)


@njit(cache=True, error_model="numpy")
def _score(m: Memory, i: int, x: float, now_s: float, learns: bool, out: F64) -> None:  # noqa: FBT001, PLR0917 - same
    """Score one value of series i into `out` (rarity, surprise, expected, lower, upper), then learn it."""
    position = bin_position(m, i)
    weights = _weights(m, i, position)
    z = _oddness(m, i, x, weights) if m.rows[i] >= WARM_ROWS else 0.0
    odd = max(z, PERSISTENCE * 0.5 * (z + m.odd[i]))
    m.odd[i] = z
    if m.rows[i] >= WARM_ROWS:
        value = rarity(m, i, odd)
        out[0] = value if is_onset(m, i, now_s, value) else value - NOT_AN_ONSET
        out[1] = surprise(m, i, odd)
        out[2] = centre(m, i, weights)
        if not math.isnan(m.border[i]):
            out[3] = edge(m, i, weights, m.border[i], -1.0)
            out[4] = edge(m, i, weights, m.border[i], 1.0)
    if learns:
        _learn(m, i, x, now_s, odd, position)
    m.recent[i] += max(RATES[1], 1.0 / m.rows[i]) * (x - m.recent[i])


@njit(cache=True, error_model="numpy")
def _run(m: Memory, times: I64, values: F64, freeze: NDArray[np.bool_], step_s: float, out: F64) -> None:  # noqa: PLR0917 - same
    """Score all rows; series outside, rows inside: one series' memory stays in the cache for its rows."""
    row = np.empty(5)
    for i in range(values.shape[1]):
        learns = not freeze[i]
        if not learns and m.rows[i] == 0.0:
            continue
        for t in range(values.shape[0]):
            x = values[t, i]
            if not math.isfinite(x):
                continue
            x = min(max(x, -VALUE_LIMIT), VALUE_LIMIT)
            now_s = times[t] * 1e-3
            tick(m, i, now_s, step_s, learns)
            row[:] = np.nan
            _score(m, i, x, now_s, learns, row)
            for k in range(5):
                out[k, t, i] = row[k]


class Bank:
    """Scores n series at once against their own past, in rarity and surprise.

    Parameters
    ----------
    n : columns to begin with
    step_s : sampling step of all columns; None = estimated per column from its own rows as they come

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

    def __init__(self, n: int = 0, step_s: float | None = None) -> None:
        if step_s is not None and not step_s > 0.0:
            raise ValueError(f"step_s must be > 0, got {step_s}")
        self._step_s = 0.0 if step_s is None else float(step_s)
        self._memory = empty(n)
        self._last_ms: int | None = None

    def __len__(self) -> int:
        return len(self._memory.rows)

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
            _run(self._memory, times, values, frozen, self._step_s, out)
        return Verdicts(*out)

    def grow(self, n: int) -> None:
        """Make room for n columns; new ones start cold, old ones keep their memory."""
        if n < len(self):
            raise ValueError(f"n must be >= {len(self)}, got {n}")
        self._memory = grown(self._memory, n)

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
        m = self._memory
        if m.rows[column] < WARM_ROWS:
            return dict.fromkeys(NAMES, math.nan)
        return {name: surprise(m, column, float(m.ratio[column, k])) for k, name in enumerate(NAMES)}

    def accept(self, columns: NDArray[np.integer]) -> State:
        """Take the recent level of these columns as their normal one. Returns what it replaced, for `take_back`."""
        replaced: State = {name: getattr(self._memory, name)[columns] for name in Memory._fields}
        for i in columns:
            settle(self._memory, int(i))
        return replaced

    def take_back(self, columns: NDArray[np.integer], replaced: State) -> None:
        """Undo an `accept` of the same columns: they know what they knew before it, and nothing since."""
        for name in Memory._fields:
            getattr(self._memory, name)[columns] = replaced[name]
