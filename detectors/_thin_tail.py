"""Thin tails: where a series' own rows say that great oddness does not happen to it.

The rate of pages that all series share falls with a power of the oddness, because operations data has heavy tails. On
a series with a thin one (Gaussian, Poisson) it promises pages that never come, so that a row twice as odd as any in a
year would still not be rare enough. A tail counts as thin as far as

* the share of rows falls fast between the highest marks that enough rows have reached,
* pages of the series are single rows, as those of noise are (_bursts.py), and
* many rows stand behind it.

There cannot be more pages than rows: as far as the tail is thin, the shared rate is held below the rate of rows that
`_surprise.py` expects, and own pages fall beyond the counted ones as rows do.

Limits: a series that was quiet for its first weeks is taken for thin-tailed, and its first excursion for rare.
"""

from __future__ import annotations

from numba import njit

from detectors._clock import DAY_S
from detectors._codes import count_of
from detectors._marks import LOG2_RATIO, LOG10_OF_2
from detectors._memory import MARKS, Series
from detectors._power import exp2, log2
from detectors._surprise import FEW_ROWS, PRIOR
from detectors.constants import Constants

SLOPE_MARKS = 3  # the slope is taken over this many marks
FULL_SLOPE = 0.67  # steeper by this than the least thin slope is wholly thin
STEADY_POWER = 12.0  # how fast bursts of several rows speak against it
MANY_ROWS = 1e4  # half belief
MOST_BELIEF = 1.5  # before it is cut at 1: so that a year of rows is wholly believed
ROWS_PER_PAGE = 1.7  # of thin-tailed noise, measured
FROM_POSITION = 3.0  # lower marks page daily on any series: nothing to gain
COUNTED = 0.05  # less is no page


@njit(cache=True, error_model="numpy")
def look_at_tail(s: Series, c: Constants) -> None:
    """Learn how thin the tail of a series is by now, in [0, 1]."""
    top = MARKS - 1
    while top > SLOPE_MARKS and s.rows_above[top] < FEW_ROWS:
        top -= 1
    low = top - SLOPE_MARKS
    fall = log2((s.rows_above[low] + PRIOR[low]) / (s.rows_above[top] + PRIOR[top]))
    steep = min(max((fall / (SLOPE_MARKS * LOG2_RATIO) - c.thin_slope) / FULL_SLOPE, 0.0), MOST_BELIEF)
    believed = s.rows_counted / (s.rows_counted + MANY_ROWS)
    s.thin = min(steep * believed * exp2(STEADY_POWER * s.noise_log2), 1.0)


@njit(cache=True, error_model="numpy", inline="always")
def pages_of(s: Series, mark: int) -> float:
    """Own pages of noise at a mark, as faded by now."""
    return float(count_of(s.noise_pages[mark]) / s.growth)


@njit(cache=True, error_model="numpy", inline="always")
def all_rows_log2(s: Series, c: Constants) -> float:
    """log2 of the pages a day that all rows would open if they were noise, times the weight of the shared rate."""
    return float(log2(c.prior_days * DAY_S / (ROWS_PER_PAGE * max(s.step_s, 1e-3))))


@njit(cache=True, error_model="numpy")
def thinner_prior(s: Series, prior_log2: float, said: float, c: Constants) -> float:
    """log2 of the shared rate times its weight, held below that of rows with surprise `said`."""
    rows_log2 = all_rows_log2(s, c) - said / LOG10_OF_2
    return float(prior_log2 + s.thin * min(rows_log2 - prior_log2, 0.0))


@njit(cache=True, error_model="numpy")
def thinner_pages(s: Series, own: float, position: float, said: float, c: Constants) -> float:
    """Own pages at a position, falling beyond the counted ones like rows with surprise `said`."""
    if own <= 0.0:
        return own
    mark = int(position)
    beyond = pages_of(s, mark + 1)
    while mark > 0 and pages_of(s, mark) < COUNTED:
        mark -= 1
    rows_log2 = log2(s.rows_counted / (s.rows_above[mark] + PRIOR[mark])) - said / LOG10_OF_2
    fall_log2 = min(rows_log2, log2(c.own_fade) * (position - mark))
    pages = max(pages_of(s, mark) * exp2(fall_log2), beyond)
    return float(own * exp2(s.thin * log2(max(pages, 1e-12) / own)))
