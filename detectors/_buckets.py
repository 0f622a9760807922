"""The quiet time in buckets: which marks were reached in it, without a time for each of them.

An alert of a mark is active while a row of the last quiet time has reached it. So it is enough to know how many marks
the highest row of each eighth of the quiet time reached; what that says is at most an eighth too long.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from detectors._clock import quiet_s
from detectors._memory import BUCKETS, NEVER, PEAKS, Series

PER_PEAK = BUCKETS // PEAKS


@njit(cache=True, error_model="numpy", inline="always")
def pass_time(s: Series, gap_s: float) -> None:
    """Let time pass for a series."""
    s.bucket_s += gap_s
    width_s = quiet_s(s.step_s) * (1.0 / BUCKETS)
    if s.bucket_s >= width_s:
        passed = s.bucket_s // width_s
        s.bucket_s -= passed * width_s
        _turn(s, int(min(passed, 1e6)))


@njit(cache=True, error_model="numpy")
def _turn(s: Series, passed: int) -> None:
    number = int(s.bucket)
    s.bucket = np.uint8((number + passed) & 255)
    for k in range(BUCKETS, 0, -1):
        s.seen[k] = s.seen[k - passed] if k >= passed else 0
    s.seen[0] = 0
    parts = (number + passed) // PER_PEAK - number // PER_PEAK
    if parts == 0:
        return
    for k in range(PEAKS - 1, 0, -1):
        s.peak[k] = s.peak[k - parts] if k >= parts else NEVER
    s.peak[0] = NEVER


@njit(cache=True, inline="always")
def active_marks(s: Series) -> int:
    """How many marks have an active alert."""
    marks = 0
    for k in range(BUCKETS + 1):
        marks = max(marks, int(s.seen[k]))
    return marks


@njit(cache=True, inline="always")
def buckets_since(s: Series, number: int) -> int:
    """Buckets since the one of this number, modulo 256."""
    return (int(s.bucket) - number) & 255
