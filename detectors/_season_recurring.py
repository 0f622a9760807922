"""Recurring deviations: when a series was odd, by time of day, and for how many days or weeks in a row.

A value within the range of its half-hour can still be a fault: a sudden fall to what a quiet day shows. So what is
usual must also have *deviated* at this time before. Eight times of day are remembered per series, each with the day it
was last seen and the length of its streak, in days or in weeks.
"""

from __future__ import annotations

import math

from numba import njit

from detectors._season_bins import DAY_S
from detectors._season_memory import GRAIN_S, TIMES, Season

NEAR_S = 300.0  # deviations this near in the time of day are the same one, measured: more forgives real events
QUIET_S = 3_600.0  # a deviation goes on until it has been quiet this long
ENOUGH = 3  # earlier days or weeks in a row
LONGEST_GAP_DAYS = 3  # between two days of a daily streak: a weekend and a day
WEEK_DAYS = 7
LAST_DAY = 0xFFFF  # days are counted modulo 65,536
# A slot's code, negative for deviations downwards, 0 when empty: STREAK times the length of its streak, and its kind.
DAILY, WEEKLY, STREAK = 1, 2, 4
LONGEST_STREAK = 30


@njit(cache=True, error_model="numpy")
def recall(s: Season, i: int, local_s: float, sign: int, inside: bool) -> int:  # noqa: FBT001 - kernels take no keywords
    """Note that series i deviates now, and tell whether that is usual: it came like this in enough days or weeks.

    0 = not usual, 1 = usual and begins, 2 = usual and goes on.

    `inside` says whether the value lies in the usual band of this time; `sign` is the way it went.
    """
    day = math.floor(local_s / DAY_S)
    second = local_s - day * DAY_S
    begins = local_s - GRAIN_S * s.odd[i] > QUIET_S
    s.odd[i] = math.floor(local_s / GRAIN_S)
    k = _find(s, i, second, sign)
    recurs = False
    if k >= 0:
        recurs = _meet(s, i, k, day)
    elif begins:
        k = _oldest(s, i, day)
        s.time[i, k], s.time_day[i, k] = math.floor(second / GRAIN_S), day & LAST_DAY
        s.time_streak[i, k] = sign
    goes_on = local_s - GRAIN_S * s.forgiven[i] <= QUIET_S
    if not (inside and (recurs or goes_on)):
        return 0
    s.forgiven[i] = s.odd[i]
    return 2 if goes_on else 1


@njit(cache=True, error_model="numpy")
def _find(s: Season, i: int, second: float, sign: int) -> int:
    best, nearest = -1, NEAR_S
    for k in range(TIMES):
        apart = abs(GRAIN_S * s.time[i, k] - second)
        apart = min(apart, DAY_S - apart)
        if sign * s.time_streak[i, k] > 0 and apart <= nearest:
            best, nearest = k, apart
    return best


@njit(cache=True, error_model="numpy")
def _oldest(s: Season, i: int, day: int) -> int:
    """The slot to give away: empty, else without a streak, else longest not seen."""
    best, most = 0, -math.inf
    for k in range(TIMES):
        code = abs(int(s.time_streak[i, k]))
        idle = math.inf if code == 0 else float((day - int(s.time_day[i, k])) & LAST_DAY)
        if code // STREAK > 0:
            idle -= 2 * WEEK_DAYS
        if idle > most:
            best, most = k, idle
    return best


@njit(cache=True, error_model="numpy")
def _meet(s: Season, i: int, k: int, day: int) -> bool:
    """Take slot k to today; true when its streak goes on and is long enough.

    The streak is the number of days that followed the first one, so today is the fourth when it is three.
    """
    code = abs(int(s.time_streak[i, k]))
    weekly, streak = code % STREAK == WEEKLY, code // STREAK
    gap = (day - int(s.time_day[i, k])) & LAST_DAY
    if gap > 0:
        daily, in_a_week = gap <= LONGEST_GAP_DAYS, gap == WEEK_DAYS
        goes_on = in_a_week if weekly else daily
        streak = min(streak + 1, LONGEST_STREAK) if goes_on else 1 if daily or in_a_week else 0
        code = STREAK * streak + (WEEKLY if in_a_week else DAILY)
        s.time_streak[i, k] = code if s.time_streak[i, k] > 0 else -code
        s.time_day[i, k] = day & LAST_DAY
    return streak >= ENOUGH
