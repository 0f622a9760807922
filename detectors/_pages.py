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
from detectors._marks import LOG2_RATIO, LOG10_OF_2, RATIO, position_of
from detectors._memory import (
    AGE_DAYS,
    BORDER,
    EXPOSURE_DAYS,
    F32,
    FIRST_S,
    MARKS,
    PAGE_LAST_S,
    PAGE_OPEN_S,
    PAGES,
    PRIOR_LOG2,
    STEP_S,
)
from detectors._power import exp2, log2
from detectors.rarity import LOWEST

PRIOR_DAYS = 3.0  # n0, weight of the shared rate
PRIOR_LOG2_PAGES = math.log2(105.0)  # shared rate: pages a day at oddness 1 and a step of 60 s
PRIOR_SLOPE = 3.0
PRIOR_STEP_POWER = 0.6  # fewer rows a day, rarer extremes
OWN_FADE = RATIO**-3.0  # from mark to mark beyond the own highest page
YOUNG_DAYS = 1.0  # the oddness of a series younger than this is trusted less
FINE = 0.125  # steps of the border between marks
DECAY_PER_S = 1.0 / (MEMORY_DAYS * DAY_S)


@njit(cache=True, error_model="numpy")
def count_page(d: F64, f: F32, now_s: float, marks: int) -> None:
    """Let the pagers of the first `marks` marks see a row."""
    if marks <= 0:
        return
    now = now_s - d[FIRST_S]
    quiet, repeat = quiet_s(d[STEP_S]), repeat_s(d[STEP_S])
    for h in range(marks):
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


@njit(cache=True, error_model="numpy", inline="always")
def rarity(d: F64, f: F32, position: float) -> float:
    """-log10 of the false pages per day a threshold at this position among the marks would open on a series."""
    prior = exp2(f[PRIOR_LOG2] - PRIOR_SLOPE * LOG2_RATIO * position)
    place = max(position, 0.0)
    own = noise_share(f, place) * _own_pages(f, place)
    return float(max(-LOG10_OF_2 * log2((prior + own) / (PRIOR_DAYS + d[EXPOSURE_DAYS])), LOWEST))


@njit(cache=True, error_model="numpy")
def look_at_prior(d: F64, f: F32) -> None:
    """Learn what the shared rate at oddness 1 is worth by now; the age and the step that it hangs on move slowly.

    A young series' oddness is trusted less: it is taken for sqrt(age / (age + a day)) of itself.
    """
    age = max(d[AGE_DAYS], 1e-6)
    young = 0.5 * PRIOR_SLOPE * log2((age + YOUNG_DAYS) / age)
    steps = PRIOR_STEP_POWER * log2(60.0 / max(d[STEP_S], 1e-3))
    f[PRIOR_LOG2] = math.log2(PRIOR_DAYS) + PRIOR_LOG2_PAGES + steps + young


@njit(cache=True, error_model="numpy")
def look_for_border(d: F64, f: F32, wanted: float) -> None:
    """Find the lowest of all eighths between the marks whose rarity is `wanted`, beginning at the one known."""
    known = round(position_of(f[BORDER]) / FINE) * FINE if f[BORDER] >= 1.0 else 0.0
    if known > 0.0 and rarity(d, f, known) >= wanted and rarity(d, f, known - FINE) < wanted:
        return
    low, high = 0.0, MARKS - 1.0
    while high - low > FINE:
        middle = 0.5 * (low + high)
        if rarity(d, f, middle) < wanted:
            low = middle
        else:
            high = middle
    f[BORDER] = exp2(LOG2_RATIO * high)
