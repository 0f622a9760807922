"""Onset: only a row odder than everything in the last quiet time starts something.

The highest scores of the quiet time are kept in four buckets, so the memory is constant whatever the step.
"""

from __future__ import annotations

from numba import njit

from detectors._clock import quiet_s
from detectors._memory import BUCKETS, NEVER, Memory


@njit(cache=True, error_model="numpy")
def is_onset(m: Memory, i: int, now_s: float, score: float) -> bool:
    """Whether the score exceeds every score of series i in its last quiet time; remembers the score."""
    width = quiet_s(m.step_s[i]) / BUCKETS
    if now_s >= m.bucket_s[i] + width:
        passed = (now_s - m.bucket_s[i]) // width
        m.bucket_s[i] += passed * width
        shift = int(min(passed, float(BUCKETS)))
        for b in range(BUCKETS - 1, -1, -1):
            m.bucket_peak[i, b] = m.bucket_peak[i, b - shift] if b >= shift else NEVER
    highest = m.bucket_peak[i, 0]
    for b in range(1, BUCKETS):
        highest = max(highest, m.bucket_peak[i, b])
    m.bucket_peak[i, 0] = max(m.bucket_peak[i, 0], score)
    return bool(score > highest)
