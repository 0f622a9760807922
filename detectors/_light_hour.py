"""What the light bank learns once an hour, for all series: season, age, and how far the borders of the tails fall."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from detectors._light_block import SEASON_UNIT, scale_of
from detectors._light_memory import AGE_H, BURST, FIRED_S, HOUR_ROWS, MOST, PEAK, PEAK_S, LightMemory
from detectors._light_tail import Pace, end_burst, lower_borders, since
from detectors._power import log2

SEASON_LIMIT = 32_000.0  # what an int16 holds
SEASON_RATE = 0.2  # a day's weight in the season once five were seen
BASE_RATE = 1.0 / 72.0  # three days of hours
HOURS_A_DAY = 24


@njit(cache=True, error_model="numpy")
def turn_hour(m: LightMemory, hour: int, pace: Pace, silent: bool) -> None:  # noqa: FBT001 - kernels take no keywords
    """Learn the hour of the day that is over; a series without a row in it learns nothing.

    Parameters
    ----------
    silent : no series had a row within the quiet time, which times modulo 65,536 s could not tell
    """
    for i in range(len(m.level)):
        t = m.tail[i]
        if t[BURST] > 0 and (silent or since(t[FIRED_S], pace) > pace.quiet_s):
            end_burst(t)
        if t[PEAK] > 0 and (silent or since(t[PEAK_S], pace) > pace.quiet_s):
            t[PEAK] = 0
        if math.isnan(m.hour[i]):
            continue
        _learn_season(m, i, hour)
        t[AGE_H] = min(t[AGE_H] + 1, MOST)
        lower_borders(m.borders[i], t, log2(float(m.odd[i])), m.clock[HOUR_ROWS], pace)
        m.hour[i] = np.nan


@njit(cache=True, error_model="numpy")
def _learn_season(m: LightMemory, i: int, hour: int) -> None:
    age_h = int(m.tail[i, AGE_H])
    if age_h == 0:
        m.base[i] = m.hour[i]
    m.base[i] += max(BASE_RATE, 1.0 / (age_h + 1.0)) * (m.hour[i] - m.base[i])
    away = (m.hour[i] - m.base[i]) / (SEASON_UNIT * scale_of(m.variance[i], m.level[i]))
    added = m.season[hour, i] + max(SEASON_RATE, 1.0 / (1.0 + age_h // HOURS_A_DAY)) * away
    m.season[hour, i] = round(min(max(added, -SEASON_LIMIT), SEASON_LIMIT))
