"""Oddness -> rarity and surprise, for the bank and for joint scores.

Score first, then learn: `say`, then `learn_position`.
"""

from __future__ import annotations

from numba import njit

from detectors._base import F64
from detectors._bursts import look_at_bursts
from detectors._memory import F32, PRIOR_LOG2, ROWS
from detectors._onset import is_onset
from detectors._pages import count_page, look_at_prior, look_for_border, rarity
from detectors._surprise import count_row, surprise
from detectors._thin_tail import look_at_tail
from detectors.constants import Constants
from detectors.rarity import NOT_AN_ONSET, rarity_threshold

LOOK_EVERY = 16  # rows between two looks at what moves slowly: shared rate, rows per page, border of the band
BORDER_RARITY = rarity_threshold(1 / 30)  # the band ends where a page a month would open


@njit(cache=True, error_model="numpy", inline="always")
def learn_position(d: F64, f: F32, now_s: float, position: float, c: Constants) -> None:
    """Learn that a series had a row at this position among the marks."""
    marks = int(position + 1.0)
    count_row(d, f, marks)
    count_page(d, f, now_s, marks, c)
    if int(d[ROWS]) % LOOK_EVERY == 0:
        look(d, f, c)


@njit(cache=True, error_model="numpy", inline="always")
def say(d: F64, f: F32, now_s: float, position: float, odd: float, c: Constants) -> tuple[float, float]:  # noqa: PLR0917 - kernels take no keywords
    """Rarity and surprise of a row of a series."""
    if f[PRIOR_LOG2] == 0.0:
        look(d, f, c)
    said = surprise(d, f, odd, position)
    value = rarity(d, f, position, said, c)
    if not is_onset(d, f, now_s, value):
        value -= NOT_AN_ONSET
    return value, said


@njit(cache=True, error_model="numpy")
def look(d: F64, f: F32, c: Constants) -> None:
    """Bring up to date what hangs on the age, the step, the pages and the tail of a series."""
    look_at_prior(d, f, c)
    look_at_bursts(d, f, c)
    look_at_tail(d, f, c)
    look_for_border(d, f, BORDER_RARITY, c)
