"""How much each follower counts on a series, learnt from how it behaves there, without labels.

A follower that is seldom but far off on a series (the last value where the level jumps now and then, the slow average
where single samples are lost) has a large mean square ratio of distance to usual size: the usual size (scale.py) is a
mean of a lower power, which rare great distances enlarge less. Its weight is that mean square to the power -1/4, over
the mean of all weights; everybody begins equal and is known after some two thousand rows. The weights are looked up
anew every few rows only, so that a row costs one multiplication per follower.

Rows that teach nothing (`freeze`) leave the weights alone. Limits: a weight says nothing of which follower finds
incidents, only of which one cries out less on this series.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from detectors._memory import LEVELS, RATIO_GRAIN, Series

RATE = np.float32(5e-4)  # of the mean squares, chosen with the power: docs/detection.md
LEAST = 1e-2  # of a mean square: a series that long stood still


@njit(cache=True, error_model="numpy", inline="always")
def learn_squares(s: Series) -> None:
    """Learn the ratios of a series' last row."""
    for k in range(LEVELS):
        ratio = np.float32(RATIO_GRAIN) * s.ratio[k]
        s.square[k] += RATE * (ratio * ratio - s.square[k])


@njit(cache=True, error_model="numpy")
def weigh(s: Series) -> None:
    """Bring the weights of a series up to date; their mean is 1."""
    total = 0.0
    for k in range(LEVELS):
        s.weight[k] = 1.0 / math.sqrt(math.sqrt(max(s.square[k], LEAST)))
        total += s.weight[k]
    for k in range(LEVELS):
        s.weight[k] *= LEVELS / total
