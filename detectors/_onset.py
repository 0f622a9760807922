"""Onset: only a row odder than everything in the last quiet time starts something.

The highest scores of the quiet time are kept in four buckets, so the memory is constant whatever the step.
"""

from __future__ import annotations

from numba import njit

from detectors._base import F64
from detectors._clock import quiet_s
from detectors._memory import BUCKET_PEAK, BUCKET_S, BUCKETS, F32, NEVER, PEAK_BEFORE, STEP_S


@njit(cache=True, error_model="numpy")
def _shift_buckets(d: F64, f: F32, now_s: float, width_s: float) -> None:
    passed = (now_s - d[BUCKET_S]) // width_s
    d[BUCKET_S] += passed * width_s
    shift = int(min(passed, float(BUCKETS)))
    f[PEAK_BEFORE] = NEVER
    for b in range(BUCKETS - 1, -1, -1):
        f[BUCKET_PEAK + b] = f[BUCKET_PEAK + b - shift] if b >= shift else NEVER
        if b > 0:
            f[PEAK_BEFORE] = max(f[PEAK_BEFORE], f[BUCKET_PEAK + b])


@njit(cache=True, error_model="numpy", inline="always")
def is_onset(d: F64, f: F32, now_s: float, score: float) -> bool:
    """Whether the score exceeds every score of a series in its last quiet time; remembers the score."""
    width_s = quiet_s(d[STEP_S]) * (1.0 / BUCKETS)
    if now_s >= d[BUCKET_S] + width_s:
        _shift_buckets(d, f, now_s, width_s)
    current = f[BUCKET_PEAK]
    if score > current:
        f[BUCKET_PEAK] = score
        return bool(score > f[PEAK_BEFORE])
    return False
