"""Recurring deviations: when a series was odd, by time of day, and for how many days or weeks in a row.

A value within the range of its half-hour can still be a fault: a sudden fall to what a quiet day shows. So what is
usual must also have *deviated* at this time before. Eight times of day are remembered per series, each with the day it
was last seen and the length of its streak, in days or in weeks.
"""

from __future__ import annotations

import math

from numba import njit

from detectors._season_bins import DAY_S
from detectors._season_memory import TIMES, Season

NEAR_S = 300.0  # deviations this near in the time of day are the same one, measured: more forgives real events
QUIET_S = 3_600.0  # a deviation goes on until it has been quiet this long
ENOUGH = 3  # earlier days or weeks in a row
LONGEST_GAP_DAYS = 3  # between two days of a daily streak: a weekend and a day
WEEK_DAYS = 7


@njit(cache=True, error_model="numpy")
def recall(s: Season, i: int, local_s: float, sign: int, inside: bool) -> int:  # noqa: FBT001 - kernels take no keywords
    """Note that series i deviates now, and tell whether that is usual: it came like this in enough days or weeks.

    0 = not usual, 1 = usual and begins, 2 = usual and goes on.

    `inside` says whether the value lies in the usual band of this time; `sign` is the way it went.
    """
    day = math.floor(local_s / DAY_S)
    second = local_s - day * DAY_S
    begins = not local_s - s.odd_s[i] <= QUIET_S
    s.odd_s[i] = local_s
    k = _find(s, i, second, sign)
    recurs = False
    if k >= 0:
        recurs = _meet(s, i, k, day)
    elif begins:
        k = _oldest(s, i)
        s.time_s[i, k], s.time_sign[i, k] = second, sign
        s.time_day[i, k], s.time_streak[i, k], s.time_stride[i, k] = day, 0, 1
    goes_on = bool(local_s - s.forgiven_s[i] <= QUIET_S)
    if not (inside and (recurs or goes_on)):
        return 0
    s.forgiven_s[i] = local_s
    return 2 if goes_on else 1


@njit(cache=True, error_model="numpy")
def _find(s: Season, i: int, second: float, sign: int) -> int:
    best, nearest = -1, NEAR_S
    for k in range(TIMES):
        apart = abs(s.time_s[i, k] - second)
        apart = min(apart, DAY_S - apart)
        if s.time_sign[i, k] == sign and apart <= nearest:
            best, nearest = k, apart
    return best


@njit(cache=True, error_model="numpy")
def _oldest(s: Season, i: int) -> int:
    """The slot to give away: empty, else without a streak, else longest not seen."""
    best, least = 0, math.inf
    for k in range(TIMES):
        keep = -1e9 if s.time_sign[i, k] == 0 else float(s.time_day[i, k])
        if s.time_streak[i, k] > 0:
            keep += 2 * WEEK_DAYS
        if keep < least:
            best, least = k, keep
    return best


@njit(cache=True, error_model="numpy")
def _meet(s: Season, i: int, k: int, day: int) -> bool:
    """Take slot k to today; true when its streak goes on and is long enough.

    The streak is the number of days that followed the first one, so today is the fourth when it is three.
    """
    gap = day - s.time_day[i, k]
    if gap > 0:
        stride = 1 if gap <= LONGEST_GAP_DAYS else WEEK_DAYS if gap == WEEK_DAYS else 0
        goes_on = stride > 0 and stride == s.time_stride[i, k]
        s.time_streak[i, k] = min(int(s.time_streak[i, k]) + 1, 100) if goes_on else min(stride, 1)
        s.time_stride[i, k] = max(stride, 1)
        s.time_day[i, k] = day
    return bool(s.time_streak[i, k] >= ENOUGH)
