"""Bursts: whether a series pages for single odd rows or for something that lasts.

Noise of any kind pages for one row (two, with the echo in the differences). Where pages last for several rows the
series has incidents in its past, and a high count of pages does not mean that the level is ordinary. So the rows per
page are counted at one mark per series, the highest that was reached about twice a day, and turned into the share of
its pages that are noise. This is what makes a promise of *false* pages hold both on plain noise and on series full of
incidents, without labels.

Limits: incidents of one row look like noise, and noise that clusters (tweets, batch jobs) like incidents.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from detectors._base import F64
from detectors._clock import QUIET_S, quiet_s
from detectors._memory import (
    BURST_LENGTH,
    BURST_MARK,
    BURST_PAGES,
    BURST_ROWS,
    EXPOSURE_DAYS,
    F32,
    MARKS,
    NOISE_LOG2,
    PAGES,
    STEP_S,
)
from detectors._power import exp2, log2

PAGES_PER_DAY = 2.0  # at the mark, for a quiet time of an hour
FEW_PAGES = 4.0  # a mark with fewer is not looked at
MEMORY_PAGES = 30.0
LONGEST_BURST = 20.0  # rows that count of one burst
NOISE_ROWS = 2.2  # rows per page of noise, measured: 1.7 to 2.1 on Gaussian to log-normal
PRIOR_ROWS, PRIOR_PAGES = 2.8, 6.0  # shared belief before there are pages
POWER = 4.0  # how fast the share falls with the rows per page
STEEPER = 4.0  # marks above the counted one over which the power doubles: odder pages are rather incidents
FORGET = np.float32(1.0 - 1.0 / (MEMORY_PAGES + 1.0))


@njit(cache=True, error_model="numpy")
def choose_burst_mark(d: F64, f: F32) -> None:
    """Move to the mark that is reached about twice a day by now. Half of the counts stay."""
    wanted = max(PAGES_PER_DAY * QUIET_S / quiet_s(d[STEP_S]) * d[EXPOSURE_DAYS], FEW_PAGES)
    mark = 0
    if d[EXPOSURE_DAYS] * PAGES_PER_DAY >= FEW_PAGES:
        for h in range(MARKS - 1, 0, -1):
            if f[PAGES + h] >= wanted:
                mark = h
                break
    if mark != f[BURST_MARK]:
        f[BURST_ROWS] *= np.float32(0.5)
        f[BURST_PAGES] *= np.float32(0.5)
        f[BURST_MARK] = mark


@njit(cache=True, error_model="numpy", inline="always")
def count_burst_page(f: F32, h: int) -> None:
    """Learn that mark h opened a page on a series. Call before its row is counted."""
    if h > 0 and h == f[BURST_MARK]:
        f[BURST_ROWS] *= FORGET
        f[BURST_PAGES] = f[BURST_PAGES] * FORGET + np.float32(1.0)
        f[BURST_LENGTH] = 0.0


@njit(cache=True, error_model="numpy", inline="always")
def count_burst_row(f: F32, h: int) -> None:
    """Learn that a series had a row at or above mark h."""
    if h > 0 and h == f[BURST_MARK] and f[BURST_LENGTH] < LONGEST_BURST:
        f[BURST_LENGTH] += np.float32(1.0)
        f[BURST_ROWS] += np.float32(1.0)


@njit(cache=True, error_model="numpy", inline="always")
def noise_share(f: F32, position: float) -> float:
    """The share of the pages at this position among the marks that are noise, in (0, 1]."""
    above = max(0.0, position - f[BURST_MARK]) / STEEPER
    return float(exp2(f[NOISE_LOG2] * (1.0 + above)))


@njit(cache=True, error_model="numpy")
def look_at_bursts(d: F64, f: F32) -> None:
    """Learn what the rows per page say by now."""
    choose_burst_mark(d, f)
    rows = (PRIOR_ROWS * PRIOR_PAGES + f[BURST_ROWS]) / (PRIOR_PAGES + f[BURST_PAGES])
    f[NOISE_LOG2] = min(POWER * log2(NOISE_ROWS / rows), 0.0)
