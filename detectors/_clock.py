"""Time of one series: its sampling step, its age, and how long the pager waits at that step."""

from __future__ import annotations

import math

from numba import njit

from detectors._memory import Series

DAY_S = 86_400.0
MEMORY_DAYS = 60.0  # page counts and exposure fade over this; two months of incidents, chosen
LONGEST_GAP_DAYS = 1.0  # a longer gap counts as a day observed: nothing was seen in it
QUIET_S, QUIET_STEPS = (3_600.0, 3.0)  # an alert closes after this long without a firing row
REPEAT_S, REPEAT_STEPS = (14_400.0, 12.0)  # an alert that stays active pages again after this


@njit(cache=True, error_model="numpy", inline="always")
def tick(s: Series, now_s: float, step_s: float, learns: bool) -> float:  # noqa: FBT001 - kernels take no keywords
    """Advance the clock of a series to `now_s` and return how far; `step_s` > 0 is its step, else it is estimated.

    The step follows the distances of rows like a median: one distance moves it by 1 % at most (more in the first
    rows), so gaps leave no trace and a lasting change is taken up within a few hundred rows.
    """
    gap_s = now_s - s.last_s
    s.last_s = now_s
    if s.rows == 0.0:
        s.rows = 1.0
        return 0.0
    if step_s > 0.0:
        s.step_s = step_s
    elif s.step_s <= 0.0:
        s.step_s = gap_s
    elif gap_s != s.step_s:
        reach = 1.0 + max(4.0 / s.rows, 0.01)
        s.step_s = min(max(gap_s, s.step_s / reach), s.step_s * reach)
    if learns:
        s.rows += 1.0
        s.pending_days += min(gap_s * (1.0 / DAY_S), LONGEST_GAP_DAYS)
    return float(gap_s)


@njit(cache=True, error_model="numpy")
def take_up_time(s: Series) -> None:
    """Count the pending time as observed; single rows are too short to be added to days."""
    days = float(s.pending_days)
    s.pending_days = 0.0
    s.age_days += days
    s.exposure_days += (MEMORY_DAYS - s.exposure_days) * (1.0 - math.exp(-days / MEMORY_DAYS))
    s.growth *= math.exp(days / MEMORY_DAYS)


@njit(cache=True, inline="always")
def quiet_s(step_s: float) -> float:
    """How long no row may fire before the alert closes."""
    return max(QUIET_S, QUIET_STEPS * step_s)


@njit(cache=True, inline="always")
def repeat_s(step_s: float) -> float:
    """How long after a page a still active alert pages again."""
    return max(REPEAT_S, REPEAT_STEPS * step_s)
