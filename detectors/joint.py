"""Joint detection: the signals of one service as one series of oddness.

A bank per channel speaks surprise; the mean of the highest few is the oddness of the row. It is calibrated like a
single series: by the pages and rows it had on its own past.

Limits: channels that always move together count as often as there are of them.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from detectors._base import F64, I64, State, Verdicts
from detectors._clock import tick
from detectors._memory import ROWS, Memory, empty, from_state, to_state
from detectors._onset import is_onset
from detectors._pages import count_page, rarity
from detectors._surprise import count_row, surprise
from detectors.bank import WARM_ROWS, Bank
from detectors.rarity import NOT_AN_ONSET

TOP = 5  # channels that speak, chosen: an incident shows in several signals, seldom in all
UNIT = 0.7  # surprise per unit of oddness: puts ordinary rows below the first mark


@njit(cache=True, error_model="numpy")
def _run(m: Memory, times: I64, odd: F64, out: F64) -> None:
    d, f = m.doubles[0], m.floats[0]
    for t in range(len(times)):
        if math.isnan(odd[t]):
            continue
        now_s = times[t] * 1e-3
        tick(d, now_s, 0.0, True)
        if d[ROWS] < WARM_ROWS:
            continue
        value = rarity(d, f, odd[t])
        out[0, t] = value if is_onset(d, f, now_s, value) else value - NOT_AN_ONSET
        out[1, t] = surprise(d, f, odd[t])
        count_row(d, f, odd[t])
        count_page(d, f, now_s, odd[t])


class Joint:
    """Scores the channels of one service together: one verdict per row.

    Parameters
    ----------
    channels : how many

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> values = rng.standard_normal((3_000, 8))
    >>> values[2_900] += 8.0
    >>> verdicts = Joint(8).update(np.arange(3_000) * 60_000, values)
    >>> bool(verdicts.surprise[2_900, 0] > 3.0)
    True
    """

    def __init__(self, channels: int) -> None:
        self._bank = Bank(channels)
        self._memory = empty(1)

    def update(self, times: I64, values: F64) -> Verdicts:
        """Score each row with what earlier ones taught, then learn it.

        Parameters
        ----------
        times : (t,) unix ms, strictly increasing, after any earlier call
        values : (t, channels); NaN = missing. A row without any value gets no opinion

        Returns
        -------
        Verdicts of shape (t, 1); a joint oddness has no expected value or band (NaN)

        Raises
        ------
        ValueError : shapes differ, or times go back
        """
        said = self._bank.update(times, values).surprise
        odd = self._odd(said) / UNIT
        out = np.full((5, len(odd), 1), np.nan)
        _run(self._memory, np.asarray(times, np.int64), odd, out[:, :, 0])
        return Verdicts(*out)

    def _odd(self, said: F64) -> F64:
        highest = -np.sort(-np.where(np.isnan(said), -1.0, said), axis=1)[:, :TOP]
        spoke = highest >= 0.0
        total = np.where(spoke, highest, 0.0).sum(axis=1)
        return np.where(spoke.any(axis=1), total / np.maximum(spoke.sum(axis=1), 1), np.nan)

    def snapshot(self) -> State:
        """The whole memory as named arrays."""
        joint = {f"joint_{name}": array for name, array in to_state(self._memory).items()}
        return self._bank.snapshot() | joint

    def restore(self, state: State) -> None:
        """Take up a snapshot. Raises ValueError when it is not ours."""
        self._bank.restore(state)
        self._memory = from_state({name[6:]: array for name, array in state.items() if name.startswith("joint_")})
