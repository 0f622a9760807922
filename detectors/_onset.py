"""Onset: only a row odder than every onset of the last quiet time starts something.

The highest onsets of the quiet time are kept in four buckets, so the memory is constant whatever the step. Rows that
started nothing are forgotten at once: what is as odd as an old incident's last rows, an hour after it began, is new.
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
    """Whether the score exceeds every onset of a series in its last quiet time; remembers it if so."""
    width_s = quiet_s(d[STEP_S]) * (1.0 / BUCKETS)
    if now_s >= d[BUCKET_S] + width_s:
        _shift_buckets(d, f, now_s, width_s)
    if score <= f[BUCKET_PEAK] or score <= f[PEAK_BEFORE]:
        return False
    f[BUCKET_PEAK] = score
    return True
