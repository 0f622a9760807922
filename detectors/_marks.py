"""Marks: the levels of oddness at which rows and pages are counted, powers of 1.25."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from detectors._memory import MARKS
from detectors._power import log2

RATIO = 1.25  # between neighbouring marks; 23 of them reach from 1 to 135
LOG2_RATIO = math.log2(RATIO)
LOG10_OF_2 = math.log10(2.0)
MARK = np.array([RATIO**h for h in range(MARKS)])


@njit(cache=True, error_model="numpy", inline="always")
def position_of(odd: float) -> float:
    """Where an oddness stands among the marks: 0 at the first, negative below it, at most MARKS - 1.001."""
    return float(min(log2(max(odd, 1e-3)) / LOG2_RATIO, MARKS - 1.001))
