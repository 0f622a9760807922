"""Onset: only a row odder than everything in the last quiet time starts something.

The highest scores of the quiet time are kept in four buckets, so the memory is constant whatever the step.
"""

from __future__ import annotations

from numba import njit

from detectors._base import F64
from detectors._clock import quiet_s
from detectors._memory import BUCKET_PEAK, BUCKET_S, BUCKETS, F32, NEVER, STEP_S


@njit(cache=True, error_model="numpy")
def is_onset(d: F64, f: F32, now_s: float, score: float) -> bool:
    """Whether the score exceeds every score of a series in its last quiet time; remembers the score."""
    width = quiet_s(d[STEP_S]) / BUCKETS
    if now_s >= d[BUCKET_S] + width:
        passed = (now_s - d[BUCKET_S]) // width
        d[BUCKET_S] += passed * width
        shift = int(min(passed, float(BUCKETS)))
        for b in range(BUCKETS - 1, -1, -1):
            f[BUCKET_PEAK + b] = f[BUCKET_PEAK + b - shift] if b >= shift else NEVER
    highest = f[BUCKET_PEAK]
    for b in range(1, BUCKETS):
        highest = max(highest, f[BUCKET_PEAK + b])
    f[BUCKET_PEAK] = max(f[BUCKET_PEAK], score)
    return bool(score > highest)
