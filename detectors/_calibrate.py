"""Oddness -> surprise and rarity, by what this series did before.

At 32 marks (powers of 1.25 of the oddness) each series counts the rows at or above the mark and, with a small
simulated pager, the pages the mark would have opened. Surprise reads the row counts, rarity the page counts; beyond
the highest mark that was ever reached both go on as power laws, and while the own history is short a power law shared
by all series stands in (gamma-Poisson shrinkage).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from detectors._clock import MEMORY_DAYS, quiet_s, repeat_s
from detectors._memory import MARKS, Memory
from detectors._power import exp2, log2, power
from detectors.rarity import LOWEST

RATIO = 1.25  # between neighbouring marks
MARK_LOG2 = math.log2(RATIO)
MARK = np.array([RATIO**h for h in range(MARKS)])
LOG10_OF_2 = math.log10(2.0)

PRIOR_DAYS = 10.0  # weight of the shared page rate
PRIOR_PAGES = 40.0  # its pages a day at mark 1 and a step of 60 s
PRIOR_SLOPE = 1.5
PRIOR_STEP_POWER = 0.4  # fewer rows a day, rarer extremes
OWN_SLOPE = 1.5  # power law beyond the own highest page
YOUNG_DAYS = 1.0  # a series younger than this is trusted less
MAP_SLOPE, MAP_SHIFT = 1.62, 1.0313  # shrunk rate -> promise, measured on operations data with incidents in it

PRIOR_ROWS = 50.0  # weight of the shared row tail
PRIOR_ROW_SLOPE = 4.0
PRIOR_ROW_SHARE = 0.15  # rows at or above mark 1
FEW_ROWS = 8.0  # a mark reached less often is extrapolated


@njit(cache=True, error_model="numpy")
def count_row(m: Memory, i: int, odd: float) -> None:
    """Learn that series i had a row of this oddness."""
    m.rows_counted[i] += 1.0
    for h in range(MARKS):
        if MARK[h] > odd:
            break
        m.rows_above[i, h] += 1.0
    if m.rows_counted[i] >= 2e6:  # forget by halves: about a million rows are remembered, floats stay exact
        m.rows_counted[i] *= 0.5
        for h in range(MARKS):
            m.rows_above[i, h] *= 0.5


@njit(cache=True, error_model="numpy")
def _row_share(m: Memory, i: int, h: int) -> float:
    prior = PRIOR_ROWS * PRIOR_ROW_SHARE * MARK[h] ** -PRIOR_ROW_SLOPE
    return float((m.rows_above[i, h] + prior) / (m.rows_counted[i] + PRIOR_ROWS))


@njit(cache=True, error_model="numpy")
def surprise(m: Memory, i: int, odd: float) -> float:
    """-log10 of the share of rows this odd on series i."""
    if odd < 1.0:
        return -LOG10_OF_2 * log2(1.0 - odd * (1.0 - _row_share(m, i, 0)))
    position = min(log2(odd) / MARK_LOG2, MARKS - 1.001)
    h = int(position)
    known = h
    while known > 0 and m.rows_above[i, known + 1] < FEW_ROWS:
        known -= 1
    if known == h:
        a, b = log2(_row_share(m, i, h)), log2(_row_share(m, i, h + 1))
        return -LOG10_OF_2 * (a + (position - h) * (b - a))
    top = known + 1 if m.rows_above[i, known + 1] >= FEW_ROWS else known
    base = log2(_row_share(m, i, top))
    slope = PRIOR_ROW_SLOPE * MARK_LOG2
    if top >= 2:
        slope = max(slope, 0.5 * (log2(_row_share(m, i, top - 2)) - base))
    return -LOG10_OF_2 * (base - (position - top) * slope)


@njit(cache=True, error_model="numpy")
def count_page(m: Memory, i: int, now_s: float, odd: float) -> None:
    """Let the pagers of all marks see a row of this oddness."""
    if odd < 1.0:
        return
    now = now_s - m.first_s[i]
    quiet, repeat = quiet_s(m.step_s[i]), repeat_s(m.step_s[i])
    for h in range(MARKS):
        if MARK[h] > odd:
            return
        since_open = now - m.page_open_s[i, h]
        if m.pages[i, h] == 0.0 or now - m.page_last_s[i, h] > quiet or since_open >= repeat:
            m.pages[i, h] = m.pages[i, h] * math.exp(-since_open / (MEMORY_DAYS * 86_400.0)) + 1.0
            m.page_open_s[i, h] = np.uint32(now)
        m.page_last_s[i, h] = np.uint32(now)


@njit(cache=True, error_model="numpy")
def _own_pages(m: Memory, i: int, odd: float) -> float:
    if odd < 1.0:
        return float(m.pages[i, 0])
    position = min(log2(odd) / MARK_LOG2, MARKS - 1.001)
    h = int(position)
    f = position - h
    fade = RATIO**-OWN_SLOPE
    here = 0.0
    for g in range(h + 1):
        here = max(here * fade, float(m.pages[i, g]))
    beyond = min(here, max(here * fade, float(m.pages[i, h + 1])))
    return float((1.0 - f) * here + f * beyond)


@njit(cache=True, error_model="numpy")
def rarity(m: Memory, i: int, odd: float) -> float:
    """-log10 of the pages per day a threshold at this oddness would open on series i."""
    age = m.age_days[i]
    trusted = max(odd * math.sqrt(age / (age + YOUNG_DAYS)), 1e-3)
    steps = power(60.0 / max(m.step_s[i], 1e-3), PRIOR_STEP_POWER)
    prior = PRIOR_DAYS * PRIOR_PAGES * steps * power(trusted, -PRIOR_SLOPE)
    rate = (prior + _own_pages(m, i, odd)) / (PRIOR_DAYS + m.exposure_days[i])
    return float(max(MAP_SHIFT - MAP_SLOPE * LOG10_OF_2 * log2(rate), LOWEST))


@njit(cache=True, error_model="numpy")
def odd_at(m: Memory, i: int, wanted: float) -> float:
    """The oddness whose rarity is `wanted` on series i; the highest mark if none is rare enough."""
    low, high = 0.0, MARKS - 1.0
    for _ in range(8):  # 32 marks in steps of an eighth
        middle = 0.5 * (low + high)
        if rarity(m, i, exp2(middle * MARK_LOG2)) < wanted:
            low = middle
        else:
            high = middle
    return exp2(high * MARK_LOG2)
