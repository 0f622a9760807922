"""Bursts: whether a page was opened by a single odd row or by something that lasts.

Noise of any kind pages for one row (two, with the echo in the differences), and so do lost samples and jobs that come
and go. What lasts longer is an incident, and that a series had many of them does not make the next one ordinary. So
each page counts as noise until its burst has lasted: once more than two rows of a burst have been odd, what its page
counted is taken back, at all marks. Rows of a burst are counted at one mark per series, the highest that pages about
twice a day and has paged twice; higher up, only the tip of an incident is seen and looks like noise, and lower down,
rows of noise follow so closely that they look like something that lasts.

On series where bursts last, a short one is rather the tip of an incident as well, the more so the odder it is.

This is what makes a promise of *false* pages hold both on plain noise and on series full of incidents, without labels.

Limits: incidents of one or two rows look like noise, and noise that clusters (tweets, batch jobs) like incidents.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from detectors._clock import QUIET_S, quiet_s
from detectors._codes import count_of
from detectors._memory import MARKS, Series
from detectors._power import exp2, log2
from detectors.constants import Constants

PAGES_PER_DAY = 2.0  # at the mark, for a quiet time of an hour
FEW_PAGES = 2.0  # a mark with fewer is not looked at, chosen on plain noise: the sooner, the fewer pages on day one
MEMORY_PAGES = 30.0
LONGEST_BURST = 20  # rows that count of one burst
PRIOR_ROWS, PRIOR_PAGES = (2.8, 6.0)  # rows per page of a series believed before there are pages
FORGET = np.float32(1.0 - 1.0 / (MEMORY_PAGES + 1.0))


@njit(cache=True, error_model="numpy")
def choose_burst_mark(s: Series) -> None:
    """Move to the mark that is reached about twice a day by now. Half of the counts stay."""
    wanted = max(PAGES_PER_DAY * QUIET_S / quiet_s(s.step_s) * s.exposure_days, FEW_PAGES) * s.growth
    mark = MARKS - 1
    while mark > 0 and count_of(s.pages[mark]) < wanted:
        mark -= 1
    if mark != s.burst_mark:
        s.burst_rows *= np.float32(0.5)
        s.burst_pages *= np.float32(0.5)
        s.burst_mark = mark


@njit(cache=True, error_model="numpy", inline="always")
def noise_weight(rows: float, c: Constants) -> float:
    """The chance that a burst of this many rows is noise."""
    return float(exp2(c.noise_power * min(log2(c.noise_rows / rows), 0.0)))


@njit(cache=True, error_model="numpy")
def count_burst(s: Series, begins: bool, c: Constants) -> tuple[float, float]:  # noqa: FBT001 - kernels take no keywords
    """Learn a row at the burst mark. Returns what pages opened now weigh, and by how much open ones change."""
    if begins:
        s.burst_rows *= FORGET
        s.burst_pages = s.burst_pages * FORGET + np.float32(1.0)
        s.burst_length = 0
    before = int(s.burst_length)
    if before >= LONGEST_BURST:
        return noise_weight(before, c), 0.0
    s.burst_length = before + 1
    s.burst_rows += np.float32(1.0)
    weight = noise_weight(before + 1.0, c)
    return weight, weight - noise_weight(before, c) if before > 0 else 0.0


@njit(cache=True, error_model="numpy")
def look_at_bursts(s: Series, c: Constants) -> None:
    """Learn what the rows per page say by now: log2 of noise rows over them, at most 0."""
    choose_burst_mark(s)
    rows = (PRIOR_ROWS * PRIOR_PAGES + s.burst_rows) / (PRIOR_PAGES + s.burst_pages)
    s.noise_log2 = min(log2(c.noise_rows / rows), 0.0)
