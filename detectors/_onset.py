"""Onset: only a row odder than every onset of the last quiet time starts something.

The highest onsets of the quiet time are kept in four parts of it (_buckets.py), so the memory is constant whatever the
step. Rows that started nothing are forgotten at once: what is as odd as an old incident's last rows, an hour after it
began, is new.
"""

from __future__ import annotations

from numba import njit

from detectors._memory import PEAKS, Series


@njit(cache=True, error_model="numpy", inline="always")
def is_onset(s: Series, score: float) -> bool:
    """Whether the score exceeds every onset of a series in its last quiet time; remembers it if so."""
    for k in range(PEAKS):
        if score <= s.peak[k]:
            return False
    s.peak[0] = score
    return True
