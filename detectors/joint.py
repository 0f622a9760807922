"""Joint detection: the signals of one service as one series of oddness.

Two views of a row are added: how surprised the most surprised few channels are (a bank per channel: sudden things), and
how far all of them together stand from where they usually do (Mahalanobis: lasting things and broken relations). The
sum is calibrated like a single series, by the rows and pages it had on its own past.

Limits: a channel that is new makes the whole row odd until it is known. Meant for tens of channels.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from detectors._base import F64, I64, State, Verdicts
from detectors._buckets import pass_time
from detectors._calibrate import learn_position, look
from detectors._clock import tick
from detectors._marks import position_of
from detectors._memory import Memory, empty, from_state, to_state
from detectors._pages import rarity
from detectors._surprise import surprise
from detectors.bank import VALUE_LIMIT, WARM_ROWS, Bank
from detectors.constants import SHIPPED, Constants
from detectors.mahalanobis import Cloud, cloud_from, distances, empty_cloud

# Weight and unit were chosen on the one public set there is; docs/detection.md shows what each half would choose.
TOP = 5  # channels that speak, chosen: an incident shows in several signals, seldom in all
DISTANCE_WEIGHT = 1.5  # of the logarithm of the distance beside the surprise
ORDINARY = 1.0  # the sum on ordinary rows: oddness 1
UNIT = 7.0  # what of the sum makes the oddness tenfold


@njit(cache=True, error_model="numpy")
def _run(m: Memory, times: I64, odd: F64, c: Constants, out: F64) -> None:
    s = m[0]
    for t in range(len(times)):
        if math.isnan(odd[t]):
            continue
        pass_time(s, tick(s, times[t] * 1e-3, 0.0, True))
        if s.rows < WARM_ROWS:
            continue
        if s.prior_log2 == 0.0:
            look(s, c)
        position = position_of(odd[t])
        said = surprise(s, odd[t], position)
        out[0, t], out[1, t] = rarity(s, position, said, c), said
        learn_position(s, position, c)


class Joint:
    """Scores the channels of one service together: one verdict per row.

    Parameters
    ----------
    channels : how many
    distance_weight : what the logarithm of the distance weighs beside the surprise
    unit : what of the sum of both makes the oddness tenfold; a larger one makes fewer pages

    Raises
    ------
    ValueError : no channel, or a unit that is not positive

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> load = rng.standard_normal((3_000, 1))
    >>> values = load + 0.1 * rng.standard_normal((3_000, 8))  # eight signals that move together
    >>> values[2_900, 0] = values[2_900, 1] - 5.0  # one parts from the others
    >>> verdicts = Joint(8).update(np.arange(3_000) * 60_000, values)
    >>> bool(verdicts.surprise[2_900, 0] > 2.0)
    True
    """

    def __init__(self, channels: int, *, distance_weight: float = DISTANCE_WEIGHT, unit: float = UNIT) -> None:
        if channels < 1:
            raise ValueError(f"channels must be >= 1, got {channels}")
        if not unit > 0.0:
            raise ValueError(f"unit must be > 0, got {unit}")
        self._distance_weight, self._unit = distance_weight, unit
        self._bank = Bank(channels)
        self._cloud = empty_cloud(channels)
        self._memory = empty(1)

    def update(self, times: I64, values: F64) -> Verdicts:
        """Score each row with what earlier ones taught, then learn it.

        Parameters
        ----------
        times : (t,) unix ms, strictly increasing, after any earlier call
        values : (t, channels); NaN or infinite = missing. A row without any value gets no opinion

        Returns
        -------
        Verdicts of shape (t, 1). Rarity is that of each row's level, onset or not, because a joint incident is told by
        all its rows; a pager (pager.py) makes one page of them. There is no expected value or band (NaN)

        Raises
        ------
        ValueError : shapes differ, or times go back
        """
        said = self._bank.update(times, values).surprise
        far = np.full(len(said), np.nan)
        within = np.clip(np.where(np.isfinite(values), values, np.nan), -VALUE_LIMIT, VALUE_LIMIT)
        distances(self._cloud, within, far)
        out = np.full((5, len(said), 1), np.nan)
        odd = _odd(said, far, self._distance_weight, self._unit)
        _run(self._memory, np.asarray(times, np.int64), odd, SHIPPED, out[:, :, 0])
        return Verdicts(*out)

    def snapshot(self) -> State:
        """The whole memory as named arrays."""
        joint = {f"joint_{name}": array for name, array in to_state(self._memory).items()}
        cloud = {f"cloud_{name}": getattr(self._cloud, name).copy() for name in Cloud._fields}
        return self._bank.snapshot() | joint | cloud

    def restore(self, state: State) -> None:
        """Take up a snapshot. Raises ValueError when it is not ours."""
        self._bank.restore(state)
        self._memory = from_state({name[6:]: array for name, array in state.items() if name.startswith("joint_")})
        cloud = {name[6:]: array for name, array in state.items() if name.startswith("cloud_")}
        self._cloud = cloud_from(cloud, len(self._bank))


def _odd(said: F64, far: F64, distance_weight: float, unit: float) -> F64:
    """Oddness of rows from the surprise of their channels (t, c) and their distance (t,)."""
    highest = -np.sort(-np.where(np.isnan(said), -1.0, said), axis=1)[:, :TOP]
    spoke = highest >= 0.0
    top = np.where(spoke, highest, 0.0).sum(axis=1) / np.maximum(spoke.sum(axis=1), 1)
    distance = np.log10(np.clip(np.where(np.isnan(far), 1.0, far), 1e-3, 1e30))
    total = top + distance_weight * distance
    return np.where(spoke.any(axis=1), 10.0 ** np.clip((total - ORDINARY) / unit, -3.0, 12.0), np.nan)
