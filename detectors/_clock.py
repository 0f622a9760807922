"""Time of one series: its sampling step, its age, and how long the pager waits at that step."""

from __future__ import annotations

from numba import njit

from detectors._base import F64
from detectors._memory import AGE_DAYS, BUCKET_S, EXPOSURE_DAYS, FIRST_S, LAST_S, ROWS, STEP_S

DAY_S = 86_400.0
MEMORY_DAYS = 60.0  # page counts and exposure fade over this; two months of incidents, chosen
LONGEST_GAP_DAYS = 1.0  # a longer gap counts as a day observed: nothing was seen in it
QUIET_S, QUIET_STEPS = 3_600.0, 3.0  # an alert closes after this long without a firing row
REPEAT_S, REPEAT_STEPS = 14_400.0, 12.0  # an alert that stays active pages again after this


@njit(cache=True, error_model="numpy", inline="always")
def tick(d: F64, now_s: float, step_s: float, learns: bool) -> None:  # noqa: FBT001 - kernels take no keywords
    """Advance the clock of a series to `now_s`; `step_s` > 0 is its sampling step, else it is estimated.

    The step follows the distances of rows like a median: one distance moves it by 1 % at most (more in the first
    rows), so gaps leave no trace and a lasting change is taken up within a few hundred rows.
    """
    gap_s = now_s - d[LAST_S]
    d[LAST_S] = now_s
    if d[ROWS] == 0.0:
        d[ROWS], d[FIRST_S], d[BUCKET_S] = 1.0, now_s, now_s
        return
    if step_s > 0.0:
        d[STEP_S] = step_s
    elif d[STEP_S] <= 0.0:
        d[STEP_S] = gap_s
    else:
        reach = 1.0 + max(4.0 / d[ROWS], 0.01)
        d[STEP_S] = min(max(gap_s, d[STEP_S] / reach), d[STEP_S] * reach)
    if not learns:
        return
    d[ROWS] += 1.0
    days = min(gap_s / DAY_S, LONGEST_GAP_DAYS)
    d[AGE_DAYS] += days
    d[EXPOSURE_DAYS] += days - d[EXPOSURE_DAYS] * days / MEMORY_DAYS


@njit(cache=True, inline="always")
def quiet_s(step_s: float) -> float:
    """How long no row may fire before the alert closes."""
    return max(QUIET_S, QUIET_STEPS * step_s)


@njit(cache=True, inline="always")
def repeat_s(step_s: float) -> float:
    """How long after a page a still active alert pages again."""
    return max(REPEAT_S, REPEAT_STEPS * step_s)
