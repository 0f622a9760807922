"""Oddness -> rarity: by the pages this series would have opened before.

At each mark a small simulated pager counts the pages the mark would have opened on this series, fading over two
months, and how many of them were noise rather than incidents (_bursts.py). Beyond the highest mark that was reached
they go on as a power law (_heavy_tail.py). The rate of *false* pages of a level is

    (n0 * shared rate + own pages of noise) / (n0 + days observed)

where the shared rate is a power law of the oddness that stands in while the own history is short. Both give way where
the own rows show a thin tail (_thin_tail.py) or, in the first days, a heavy one.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from detectors._buckets import active_marks, buckets_since
from detectors._bursts import count_burst
from detectors._clock import QUIET_S, REPEAT_S
from detectors._codes import code_of, count_of
from detectors._heavy_tail import heavier_prior, own_fade
from detectors._marks import LOG2_RATIO, LOG10_OF_2, position_of
from detectors._memory import BUCKETS, MARKS, Series
from detectors._power import exp2, log2
from detectors._surprise import surprise
from detectors._thin_tail import FROM_POSITION, thinner_pages, thinner_prior
from detectors.constants import Constants
from detectors.rarity import LOWEST

FINE = 0.125  # steps of the border between marks
REPEAT_BUCKETS = int(BUCKETS * REPEAT_S / QUIET_S)
LARGEST_GROWTH = 2.0**8  # then all counts are written anew


@njit(cache=True, error_model="numpy")
def count_page(s: Series, marks: int, c: Constants) -> None:
    """Let the pagers of the first `marks` marks see a row."""
    weight, mark, seen = 1.0, int(s.burst_mark), int(s.seen[0])
    if marks <= mark and marks <= seen:
        return  # an earlier row of this bucket has opened all there was to open
    active = active_marks(s)
    if marks > mark:
        weight, change = count_burst(s, _opens(s, mark, active), c)
        if change < 0.0:
            _take_back(s, active, change)
    for h in range(seen, marks):
        if _opens(s, h, active):
            s.pages[h] = code_of(count_of(s.pages[h]) + s.growth)
            s.noise_pages[h] = code_of(count_of(s.noise_pages[h]) + weight * s.growth)
            s.opened[h] = s.bucket
    s.seen[0] = max(seen, marks)


@njit(cache=True, error_model="numpy", inline="always")
def _opens(s: Series, h: int, active: int) -> bool:
    return h >= active or buckets_since(s, s.opened[h]) >= REPEAT_BUCKETS


@njit(cache=True, error_model="numpy")
def _take_back(s: Series, active: int, change: float) -> None:
    """Let the open pages of all marks count less as noise."""
    for h in range(active):
        s.noise_pages[h] = code_of(max(count_of(s.noise_pages[h]) + change * s.growth, 0.0))


@njit(cache=True, error_model="numpy")
def _own_pages(s: Series, position: float, c: Constants) -> float:
    """Own pages of noise at a position; beyond the counted ones as a power law."""
    h = int(position)
    part = position - h
    here, fade = 0.0, own_fade(s, c) if position > FROM_POSITION else c.own_fade
    for g in range(h + 1):
        here = max(here * fade, count_of(s.noise_pages[g]))
    beyond = min(here, max(here * fade, count_of(s.noise_pages[h + 1])))
    own = ((1.0 - part) * here + part * beyond) / s.growth
    above = position - s.burst_mark
    if above <= 0.0 or s.noise_log2 == 0.0 or own == 0.0:
        return float(own)
    return float(own * exp2(c.odder_power * above * s.noise_log2))


@njit(cache=True, error_model="numpy", inline="always")
def rarity(s: Series, position: float, said: float, c: Constants) -> float:
    """-log10 of the false pages per day a threshold at this position among the marks would open on a series.

    `said` is the surprise of a row there; it is not looked at unless the tail is thin. Below the first mark any series
    pages many times a day, and nothing is looked at.
    """
    if position < 0.0:
        return LOWEST
    return _rarity(s, position, said, c)


@njit(cache=True, error_model="numpy")
def _rarity(s: Series, position: float, said: float, c: Constants) -> float:
    prior_log2 = s.prior_log2 - c.prior_slope * LOG2_RATIO * position
    own = _own_pages(s, position, c)
    if position > FROM_POSITION:
        if s.thin > 0.0:
            prior_log2 = thinner_prior(s, prior_log2, said, c)
            own = thinner_pages(s, own, position, said, c)
        else:
            prior_log2 = heavier_prior(s, prior_log2, position, c)
    rate = (exp2(prior_log2) + own) / (c.prior_days + s.exposure_days)
    return float(max(-LOG10_OF_2 * log2(rate), LOWEST))


@njit(cache=True, error_model="numpy")
def look_at_prior(s: Series, c: Constants) -> None:
    """Learn what the shared rate at oddness 1 is worth by now; the age and the step that it hangs on move slowly.

    A young series' oddness is trusted less: it is taken for sqrt(age / (age + a day)) of itself.
    """
    age = max(s.age_days, 1e-6)
    young = 0.5 * c.prior_slope * log2((age + c.young_days) / age)
    steps = c.prior_step_power * log2(60.0 / max(s.step_s, 1e-3))
    s.prior_log2 = math.log2(c.prior_days * c.prior_pages) + steps + young


@njit(cache=True, error_model="numpy")
def look_at_pages(s: Series) -> None:
    """Keep the counts within their codes."""
    if s.growth > LARGEST_GROWTH:
        for h in range(MARKS):
            s.pages[h] = code_of(count_of(s.pages[h]) / LARGEST_GROWTH)
            s.noise_pages[h] = code_of(count_of(s.noise_pages[h]) / LARGEST_GROWTH)
        s.growth /= np.float32(LARGEST_GROWTH)


@njit(cache=True, error_model="numpy")
def _rarity_at(s: Series, position: float, c: Constants) -> float:
    said = surprise(s, exp2(LOG2_RATIO * position), position) if s.thin > 0.0 else 0.0
    return float(_rarity(s, position, said, c))


@njit(cache=True, error_model="numpy")
def look_for_border(s: Series, wanted: float, c: Constants) -> None:
    """Find the lowest of all eighths between the marks whose rarity is `wanted`, beginning at the one known."""
    known = round(position_of(s.border) / FINE) * FINE if s.border >= 1.0 else 0.0
    if known > 0.0 and _rarity_at(s, known, c) >= wanted and _rarity_at(s, known - FINE, c) < wanted:
        return
    low, high = 0.0, MARKS - 1.0 - FINE
    while high - low > FINE:
        middle = 0.5 * (low + high)
        if _rarity_at(s, middle, c) < wanted:
            low = middle
        else:
            high = middle
    s.border = exp2(LOG2_RATIO * high)
