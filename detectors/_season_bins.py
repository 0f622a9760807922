"""Bins of the day and week: where a row falls, what a closed bin teaches, which band an open one has.

A day is a sample here, not a row: what a bin teaches is its highest and lowest value of the day. An edge moves half of
the way to a day that went beyond it and a tenth of the way back to one that did not, so it lies within reach of what
happens on every other day or more often, and what happened once falls short of it. A day that lies beyond the other
edge altogether takes both along, so that a new level is learnt before long.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from detectors._season_memory import BINS, DAILY, SLOTS, U16, UNKNOWN, WEEKEND, Season, pack, unpack

DAY_S = 86_400.0
HALF_HOUR_S = 1_800.0
HOUR_S = 3_600.0
COARSE_STEP_S = 1_200.0  # rows further apart than this fill hours, not half-hours
OUTWARD = 0.5  # share of the way towards a day beyond the edge
INWARD = 0.1  # the same for a day short of it: memory of ten days
SHIFTED = 0.2  # the same for a day that lay beyond the other edge: perhaps a new level
BASE_RATE = 0.01  # memory of two days of bins
MISS_LIMIT = 3.0  # one bin cannot miss its edges by more than this times the usual
ENOUGH_DAYS = 2.0  # no opinion before
SLACK = 1.35  # the band goes this far beyond the edges: three equal days in a row are inside, two are not
ENOUGH_WEEKS = 3  # a half-hour of the week is usual after
SAME = 1.5  # largest ratio of two deviations that are the same event in two weeks
SMALLEST = 1e-6  # smallest half-width over the size of the values: rounding is no deviation
GRAIN = 1.0 / 128.0  # of a deviation: what its code cannot tell apart
FIRST_WEEKEND, LAST_WEEKEND = 2, 3  # 1 January 1970 was a Thursday


@njit(cache=True, error_model="numpy", inline="always")
def half_width(centre: float, low: float, high: float, miss: float) -> float:
    """Half of the distance of the edges and what bins usually miss them by; never zero."""
    least = SMALLEST * abs(centre) + GRAIN * 0.5 * abs(low + high) + 1e-18
    return max(0.5 * (high - low) + miss, least)


@njit(cache=True, error_model="numpy", inline="always")
def day_of(local_s: float) -> float:
    """Days since 1970 on the local clock."""
    return float(math.floor(local_s / DAY_S))


@njit(cache=True, error_model="numpy")
def _edge(codes: U16, base: float, place: int, week: int) -> float:
    """Usual extreme of a bin; while it is not known, that of the other kind of day; then that of any time."""
    code = codes[place]
    if code == UNKNOWN:
        half = week % DAILY
        code = codes[half] if place >= DAILY else codes[DAILY + half // 2]
    return base if code == UNKNOWN else unpack(code)


@njit(cache=True, error_model="numpy")
def _moved(edge: float, seen: float, days: float, outward: float, beyond: bool) -> float:  # noqa: FBT001 - kernels take no keywords
    """The edge after a day that reached `seen`; `beyond`: the whole day lay on the far side of the other edge."""
    if (seen - edge) * outward > 0.0:
        return edge + OUTWARD * (seen - edge)
    return edge + max(SHIFTED if beyond else INWARD, 1.0 / (days + 2.0)) * (seen - edge)


@njit(cache=True, error_model="numpy")
def close_bin(s: Season, i: int) -> None:
    """Learn what the open bin of series i has shown."""
    place, week = s.place[i], s.week[i]
    peak, trough = float(s.peak[i]), float(s.trough[i])
    _vote(s, i, peak, trough)
    low = _edge(s.floor[i], float(s.base_low[i]), place, week)
    high = _edge(s.roof[i], float(s.base_high[i]), place, week)
    kind = 1 if place >= DAILY else 0
    days = s.days[i, kind] / DAILY
    s.roof[i, place] = pack(_moved(high, peak, days, 1.0, peak < low))
    s.floor[i, place] = pack(_moved(low, trough, days, -1.0, trough > high))
    if kind == 0:
        _lend(s, i, DAILY + week // 2 % WEEKEND, peak, trough)
    _follow(s, i, peak, trough, 0.5 * (abs(peak - high) + abs(trough - low)))
    whole = kind == 1 or unpack(s.step[i]) > COARSE_STEP_S
    s.days[i, kind] = min(int(s.days[i, kind]) + (2 if whole else 1), 60_000)
    s.seen[i] = False


@njit(cache=True, error_model="numpy")
def _lend(s: Season, i: int, place: int, peak: float, trough: float) -> None:
    """Let an extreme outside the band of an ordinary day move the weekend too: a new habit asks for no weekday."""
    if math.isnan(s.low[i]) or s.roof[i, place] == UNKNOWN:
        return
    low, high = float(s.low[i]), float(s.high[i])
    middle, reach = 0.5 * (low + high), SLACK * half_width(s.centre[i], low, high, s.miss[i])
    roof, floor = unpack(s.roof[i, place]), unpack(s.floor[i, place])
    if peak > max(middle + reach, roof):
        s.roof[i, place] = pack(roof + OUTWARD * (peak - roof))
    if trough < min(middle - reach, floor):
        s.floor[i, place] = pack(floor + OUTWARD * (trough - floor))


@njit(cache=True, error_model="numpy")
def _follow(s: Season, i: int, peak: float, trough: float, miss: float) -> None:
    """Learn what a bin of any time shows, and how far it usually falls from its edges."""
    s.closed[i] = min(int(s.closed[i]) + 1, 255)
    rate = max(BASE_RATE, 1.0 / s.closed[i])
    if s.closed[i] == 1:
        s.base_low[i], s.base_high[i] = trough, peak
        return
    if s.closed[i] > DAILY:
        miss = min(miss, MISS_LIMIT * s.miss[i])
    s.miss[i] += rate * (miss - s.miss[i])
    s.base_high[i] += rate * (peak - s.base_high[i])
    s.base_low[i] += rate * (trough - s.base_low[i])


@njit(cache=True, error_model="numpy")
def open_bin(s: Season, i: int, local_s: float) -> None:
    """Find the bin of a series at this local time and the band its earlier days give it."""
    day = math.floor(local_s / DAY_S)
    weekday = int(day % 7)
    weekend = FIRST_WEEKEND <= weekday <= LAST_WEEKEND
    width = HOUR_S if weekend or unpack(s.step[i]) > COARSE_STEP_S else HALF_HOUR_S
    number = math.floor((local_s - day * DAY_S) / width)
    half = int(number * (width / HALF_HOUR_S))
    s.until[i] = int((day * DAY_S + (number + 1.0) * width) / HALF_HOUR_S)
    s.place[i] = DAILY + half // 2 if weekend else half
    s.week[i] = weekday * DAILY + half
    s.low[i] = s.high[i] = np.nan
    if s.days[i, 0] + s.days[i, 1] >= ENOUGH_DAYS * DAILY:
        s.low[i] = _edge(s.floor[i], float(s.base_low[i]), s.place[i], s.week[i])
        s.high[i] = _edge(s.roof[i], float(s.base_high[i]), s.place[i], s.week[i])
        _widen(s, i)


@njit(cache=True, error_model="numpy")
def _widen(s: Season, i: int) -> None:
    """Let the band reach what this half-hour of the week has shown often enough."""
    for k in range(SLOTS):
        if s.slot_week[i, k] == s.week[i] and s.slot_votes[i, k] >= ENOUGH_WEEKS:
            s.high[i] = max(s.high[i], unpack(s.slot_value[i, k]))
            s.low[i] = min(s.low[i], unpack(s.slot_value[i, k]))


@njit(cache=True, error_model="numpy")
def _vote(s: Season, i: int, peak: float, trough: float) -> None:
    """Count weeks in which the open half-hour of the week showed the same extreme, or begin to."""
    low, high = float(s.low[i]), float(s.high[i])
    if math.isnan(low):
        return
    middle, reach = 0.5 * (low + high), SLACK * half_width(s.centre[i], low, high, s.miss[i])
    for k in range(SLOTS):
        if s.slot_week[i, k] == s.week[i]:
            _recount(s, i, k, middle, peak, trough)
            return
    if peak > middle + reach:
        _remember(s, i, middle, peak)
    elif trough < middle - reach:
        _remember(s, i, middle, trough)


@njit(cache=True, error_model="numpy")
def _recount(s: Season, i: int, k: int, middle: float, peak: float, trough: float) -> None:  # noqa: PLR0917 - kernels take no keywords
    known = unpack(s.slot_value[i, k])
    value = peak if known > middle else trough
    ratio = (value - middle) / (known - middle)
    if 1.0 / SAME <= ratio <= SAME:
        s.slot_votes[i, k] = min(int(s.slot_votes[i, k]) + 1, 2 * ENOUGH_WEEKS)
        s.slot_value[i, k] = pack(0.5 * (value + known))
        return
    s.slot_votes[i, k] -= 1
    if s.slot_votes[i, k] == 0:
        s.slot_week[i, k] = -1


@njit(cache=True, error_model="numpy")
def _remember(s: Season, i: int, middle: float, value: float) -> None:
    """Take a free slot, or that of a smaller extreme that was seen in one week only."""
    slot, least = -1, abs(value - middle)
    for k in range(SLOTS):
        if s.slot_week[i, k] < 0:
            slot, least = k, -1.0
        elif s.slot_votes[i, k] == 1 and abs(unpack(s.slot_value[i, k]) - middle) < least:
            slot, least = k, abs(unpack(s.slot_value[i, k]) - middle)
    if slot >= 0:
        s.slot_week[i, slot], s.slot_value[i, slot], s.slot_votes[i, slot] = s.week[i], pack(value), 1


@njit(cache=True, error_model="numpy")
def move_centre(s: Season, i: int) -> None:
    """Measure deviations of a series from its recent middle, so that their codes stay fine."""
    shift = 0.5 * (float(s.base_low[i]) + float(s.base_high[i]))
    if abs(shift) <= 0.5 * (float(s.base_high[i]) - float(s.base_low[i])):
        return
    s.centre[i] += shift
    s.base_low[i] -= shift
    s.base_high[i] -= shift
    for j in range(BINS):
        if s.roof[i, j] != UNKNOWN:
            s.roof[i, j] = pack(unpack(s.roof[i, j]) - shift)
            s.floor[i, j] = pack(unpack(s.floor[i, j]) - shift)
    for k in range(SLOTS):
        s.slot_value[i, k] = pack(unpack(s.slot_value[i, k]) - shift)
