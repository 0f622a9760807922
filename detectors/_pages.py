"""Oddness -> rarity: by the pages this series would have opened before.

At each mark a small simulated pager counts the pages the mark would have opened on this series, fading over two
months, and how many of them were noise rather than incidents (_bursts.py). Beyond the highest mark that was reached
they go on as a power law. The rate of *false* pages of a level is

    (n0 * shared rate + own pages of noise) / (n0 + days observed)

where the shared rate is a power law of the oddness that stands in while the own history is short. Both give way where
the own rows show a thin tail (_thin_tail.py).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from detectors._base import F64
from detectors._bursts import count_burst
from detectors._clock import DAY_S, MEMORY_DAYS, quiet_s, repeat_s
from detectors._marks import LOG2_RATIO, LOG10_OF_2, position_of
from detectors._memory import (
    AGE_DAYS,
    BORDER,
    BURST_MARK,
    EXPOSURE_DAYS,
    F32,
    FIRST_S,
    MARKS,
    NOISE_LOG2,
    NOISE_PAGES,
    PAGE_LAST_S,
    PAGE_OPEN_S,
    PAGES,
    PRIOR_LOG2,
    STEP_S,
    THIN,
)
from detectors._power import exp2, log2
from detectors._surprise import surprise
from detectors._thin_tail import FROM_POSITION, thinner_pages, thinner_prior
from detectors.constants import Constants
from detectors.rarity import LOWEST

FINE = 0.125  # steps of the border between marks
DECAY_PER_S = 1.0 / (MEMORY_DAYS * DAY_S)


@njit(cache=True, error_model="numpy")
def count_page(d: F64, f: F32, now_s: float, marks: int, c: Constants) -> None:
    """Let the pagers of the first `marks` marks see a row."""
    if marks <= 0:
        return
    now = now_s - d[FIRST_S]
    quiet, repeat = quiet_s(d[STEP_S]), repeat_s(d[STEP_S])
    weight, mark = 1.0, int(f[BURST_MARK])
    if marks > mark:
        weight, change = count_burst(f, _opens(f, mark, now, quiet, repeat), c)
        if change < 0.0:
            _take_back(f, now, quiet, change)
    for h in range(marks):
        if _opens(f, h, now, quiet, repeat):
            fade = math.exp((f[PAGE_OPEN_S + h] - now) * DECAY_PER_S)
            f[PAGES + h] = f[PAGES + h] * fade + 1.0
            f[NOISE_PAGES + h] = f[NOISE_PAGES + h] * fade + weight
            f[PAGE_OPEN_S + h] = np.uint32(now)
        f[PAGE_LAST_S + h] = np.uint32(now)


@njit(cache=True, error_model="numpy", inline="always")
def _opens(f: F32, h: int, now: float, quiet: float, repeat: float) -> bool:
    return bool(f[PAGES + h] == 0.0 or now - f[PAGE_LAST_S + h] > quiet or now - f[PAGE_OPEN_S + h] >= repeat)


@njit(cache=True, error_model="numpy")
def _take_back(f: F32, now: float, quiet: float, change: float) -> None:
    """Let the open pages of all marks count less as noise."""
    for h in range(MARKS):
        if f[PAGES + h] > 0.0 and now - f[PAGE_LAST_S + h] <= quiet:
            f[NOISE_PAGES + h] = max(f[NOISE_PAGES + h] + change, 0.0)


@njit(cache=True, error_model="numpy")
def _own_pages(f: F32, position: float, c: Constants) -> float:
    """Own pages of noise at a position; beyond the counted ones as a power law."""
    h = int(position)
    part = position - h
    here = 0.0
    for g in range(h + 1):
        here = max(here * c.own_fade, float(f[NOISE_PAGES + g]))
    beyond = min(here, max(here * c.own_fade, float(f[NOISE_PAGES + h + 1])))
    own = (1.0 - part) * here + part * beyond
    above = position - f[BURST_MARK]
    if above <= 0.0 or f[NOISE_LOG2] == 0.0 or own == 0.0:
        return float(own)
    return float(own * exp2(c.odder_power * above * f[NOISE_LOG2]))


@njit(cache=True, error_model="numpy", inline="always")
def rarity(d: F64, f: F32, position: float, said: float, c: Constants) -> float:
    """-log10 of the false pages per day a threshold at this position among the marks would open on a series.

    `said` is the surprise of a row there; it is not looked at unless the tail is thin.
    """
    prior_log2 = f[PRIOR_LOG2] - c.prior_slope * LOG2_RATIO * position
    place = max(position, 0.0)
    own = _own_pages(f, place, c)
    if f[THIN] > 0.0 and position > FROM_POSITION:
        prior_log2 = thinner_prior(d, f, prior_log2, said, c)
        own = thinner_pages(d, f, own, position, said, c)
    rate = (exp2(prior_log2) + own) / (c.prior_days + d[EXPOSURE_DAYS])
    return float(max(-LOG10_OF_2 * log2(rate), LOWEST))


@njit(cache=True, error_model="numpy")
def look_at_prior(d: F64, f: F32, c: Constants) -> None:
    """Learn what the shared rate at oddness 1 is worth by now; the age and the step that it hangs on move slowly.

    A young series' oddness is trusted less: it is taken for sqrt(age / (age + a day)) of itself.
    """
    age = max(d[AGE_DAYS], 1e-6)
    young = 0.5 * c.prior_slope * log2((age + c.young_days) / age)
    steps = c.prior_step_power * log2(60.0 / max(d[STEP_S], 1e-3))
    f[PRIOR_LOG2] = math.log2(c.prior_days * c.prior_pages) + steps + young


@njit(cache=True, error_model="numpy")
def _rarity_at(d: F64, f: F32, position: float, c: Constants) -> float:
    said = surprise(d, f, exp2(LOG2_RATIO * position), position) if f[THIN] > 0.0 else 0.0
    return float(rarity(d, f, position, said, c))


@njit(cache=True, error_model="numpy")
def look_for_border(d: F64, f: F32, wanted: float, c: Constants) -> None:
    """Find the lowest of all eighths between the marks whose rarity is `wanted`, beginning at the one known."""
    known = round(position_of(f[BORDER]) / FINE) * FINE if f[BORDER] >= 1.0 else 0.0
    if known > 0.0 and _rarity_at(d, f, known, c) >= wanted and _rarity_at(d, f, known - FINE, c) < wanted:
        return
    low, high = 0.0, MARKS - 1.0 - FINE
    while high - low > FINE:
        middle = 0.5 * (low + high)
        if _rarity_at(d, f, middle, c) < wanted:
            low = middle
        else:
            high = middle
    f[BORDER] = exp2(LOG2_RATIO * high)
