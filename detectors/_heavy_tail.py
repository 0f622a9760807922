"""Heavy tails: where a series' own rows and pages say that great oddness does happen to it.

The laws that all series share fall with the third power of the oddness. On a series whose tail is heavier (log-normal
sizes, waiting times, tweets) they promise too few pages, most of all in its first days. Two things give way:

* **own pages** beyond the counted ones fall as those of this series do from one mark to the next: the most likely ratio
  of a geometric sequence, shrunk to the shared one by `FADE_PAGES` pages, and never below it;
* **the shared rate**, in the first days, is held above the rate at which own rows came, carried on with their own
  power: as far as there are rows to believe, as pages of the series are single rows, and only while it is young, since
  its own pages say more than rows do, which come in bursts.

Limits: at steps of minutes there are few rows in the first days, and a tail that has not shown itself cannot be known.
"""

from __future__ import annotations

from numba import njit

from detectors._codes import count_of
from detectors._marks import LOG2_RATIO
from detectors._memory import MARKS, Series
from detectors._power import exp2
from detectors._surprise import FEW_ROWS, PRIOR_SLOPE, log2_share
from detectors._thin_tail import all_rows_log2
from detectors.constants import Constants

FADE_PAGES = 10.0  # weight of the shared ratio
SLOWEST_FADE = 0.8  # the first power of the oddness: no mean
SLOPE_MARKS = 6  # the power of rows is taken over this many marks
LEAST_SLOPE = 1.5
MANY_ROWS = 1e3  # half belief
YOUNG_DAYS = 1.0  # half belief


@njit(cache=True, error_model="numpy")
def own_fade(s: Series, c: Constants) -> float:
    """Share of own pages of noise that is left one mark further."""
    first = float(count_of(s.noise_pages[s.burst_mark]))
    total = first
    for h in range(s.burst_mark + 1, MARKS):
        total += count_of(s.noise_pages[h])
    shared = FADE_PAGES * s.growth / (1.0 - c.own_fade)
    fade = (total - first + shared * c.own_fade) / (total + shared)
    return float(min(max(fade, c.own_fade), SLOWEST_FADE))


@njit(cache=True, error_model="numpy")
def heavier_prior(s: Series, prior_log2: float, position: float, c: Constants) -> float:
    """log2 of the shared rate times its weight, held above that of own rows at a position while a series is young."""
    top = MARKS - 1
    while top > 0 and s.rows_above[top] < FEW_ROWS:
        top -= 1
    low = max(top - SLOPE_MARKS, 0)
    share_log2, fall = log2_share(s, top), PRIOR_SLOPE * LOG2_RATIO
    if top > low:
        fall = max((log2_share(s, low) - share_log2) / (top - low), LEAST_SLOPE * LOG2_RATIO)
    rows_log2 = all_rows_log2(s, c) + share_log2 - fall * (position - top)
    believed = s.rows_counted / (s.rows_counted + MANY_ROWS) * YOUNG_DAYS / (YOUNG_DAYS + s.exposure_days)
    return float(prior_log2 + believed * exp2(s.noise_log2) * max(rows_log2 - prior_log2, 0.0))
