"""Oddness -> rarity: by the pages this series would have opened before.

At each mark a small simulated pager counts the pages the mark would have opened on this series, fading over two
months. Beyond the highest mark that was reached they go on as a power law. The rate of *false* pages of a level is

    (n0 * shared rate + incident share * own pages) / (n0 + days observed)

where the shared rate is a power law of the oddness that stands in while the own history is short, and the incident
share says how many of the own pages were noise rather than incidents: of a series whose odd rows come in bursts that
last, most pages are told to somebody who is glad of them (_bursts.py).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from detectors._base import F64
from detectors._bursts import count_burst_page, count_burst_row, noise_share
from detectors._clock import DAY_S, MEMORY_DAYS, quiet_s, repeat_s
from detectors._marks import LOG2_RATIO, LOG10_OF_2, MARK, RATIO
from detectors._memory import AGE_DAYS, EXPOSURE_DAYS, F32, FIRST_S, MARKS, PAGE_LAST_S, PAGE_OPEN_S, PAGES, STEP_S
from detectors._power import exp2, log2
from detectors.rarity import LOWEST

PRIOR_DAYS = 3.0  # n0, weight of the shared rate
PRIOR_LOG2_PAGES = math.log2(120.0)  # shared rate: pages a day at oddness 1 and a step of 60 s
PRIOR_SLOPE = 3.0
PRIOR_STEP_POWER = 0.6  # fewer rows a day, rarer extremes
OWN_FADE = RATIO**-3.0  # from mark to mark beyond the own highest page
YOUNG_DAYS = 1.0  # the oddness of a series younger than this is trusted less
DECAY_PER_S = 1.0 / (MEMORY_DAYS * DAY_S)


@njit(cache=True, error_model="numpy")
def count_page(d: F64, f: F32, now_s: float, odd: float) -> None:
    """Let the pagers of all marks see a row of this oddness."""
    if odd < 1.0:
        return
    now = now_s - d[FIRST_S]
    quiet, repeat = quiet_s(d[STEP_S]), repeat_s(d[STEP_S])
    for h in range(MARKS):
        if MARK[h] > odd:
            return
        open_s = f[PAGE_OPEN_S + h]
        if f[PAGES + h] == 0.0 or now - f[PAGE_LAST_S + h] > quiet or now - open_s >= repeat:
            f[PAGES + h] = f[PAGES + h] * math.exp((open_s - now) * DECAY_PER_S) + 1.0
            f[PAGE_OPEN_S + h] = np.uint32(now)
            count_burst_page(f, h)
        f[PAGE_LAST_S + h] = np.uint32(now)
        count_burst_row(f, h)


@njit(cache=True, error_model="numpy")
def _own_pages(f: F32, position: float) -> float:
    h = int(position)
    part = position - h
    here = 0.0
    for g in range(h + 1):
        here = max(here * OWN_FADE, float(f[PAGES + g]))
    beyond = min(here, max(here * OWN_FADE, float(f[PAGES + h + 1])))
    return float((1.0 - part) * here + part * beyond)


@njit(cache=True, error_model="numpy")
def rarity(d: F64, f: F32, odd: float) -> float:
    """-log10 of the false pages per day a threshold at this oddness would open on a series."""
    age = d[AGE_DAYS]
    level = log2(max(odd, 1e-3))
    trusted = max(level + 0.5 * log2(max(age, 1e-6) / (age + YOUNG_DAYS)), -10.0)
    steps = log2(60.0 / max(d[STEP_S], 1e-3))
    prior = PRIOR_DAYS * exp2(PRIOR_LOG2_PAGES + PRIOR_STEP_POWER * steps - PRIOR_SLOPE * trusted)
    position = min(max(level / LOG2_RATIO, 0.0), MARKS - 1.001)
    own = noise_share(f, position) * _own_pages(f, position)
    return float(max(-LOG10_OF_2 * log2((prior + own) / (PRIOR_DAYS + d[EXPOSURE_DAYS])), LOWEST))


@njit(cache=True, error_model="numpy")
def odd_at(d: F64, f: F32, wanted: float) -> float:
    """The oddness whose rarity is `wanted` on a series; the highest mark if none is rare enough."""
    low, high = 0.0, MARKS - 1.0
    for _ in range(8):  # 32 marks in steps of an eighth
        middle = 0.5 * (low + high)
        if rarity(d, f, exp2(middle * LOG2_RATIO)) < wanted:
            low = middle
        else:
            high = middle
    return float(exp2(high * LOG2_RATIO))
