"""Oddness -> rarity and surprise, for the bank and for joint scores.

Score first, then learn: `say`, then `learn_position`. What moves slowly is looked at every few rows only.
"""

from __future__ import annotations

from numba import njit

from detectors._bursts import look_at_bursts
from detectors._clock import take_up_time
from detectors._memory import Series
from detectors._onset import is_onset
from detectors._pages import count_page, look_at_pages, look_at_prior, look_for_border, rarity
from detectors._surprise import count_row, surprise
from detectors._thin_tail import look_at_tail
from detectors.constants import Constants
from detectors.rarity import NOT_AN_ONSET, rarity_threshold

LOOK_EVERY = 64  # rows between two looks at what moves slowly: shared rate, rows per page, border of the band
LOOK_EARLY = 16  # the same while the series is young
YOUNG_ROWS = 1_024.0
BORDER_RARITY = rarity_threshold(1 / 30)  # the band ends where a page a month would open


@njit(cache=True, error_model="numpy", inline="always")
def learn_position(s: Series, position: float, c: Constants) -> None:
    """Learn that a series had a row at this position among the marks."""
    if position >= 0.0:
        marks = int(position + 1.0)
        count_row(s, marks)
        count_page(s, marks, c)
    else:
        count_row(s, 0)
    turn = (int(s.turn) + 1) & 255
    s.turn = turn
    if turn % LOOK_EVERY == 0 or (s.rows < YOUNG_ROWS and turn % LOOK_EARLY == 0):
        look(s, c)


@njit(cache=True, error_model="numpy", inline="always")
def say(s: Series, position: float, odd: float, c: Constants) -> tuple[float, float]:
    """Rarity and surprise of a row of a series."""
    if s.prior_log2 == 0.0:
        look(s, c)
    said = surprise(s, odd, position)
    value = rarity(s, position, said, c)
    if not is_onset(s, value):
        value -= NOT_AN_ONSET
    return value, said


@njit(cache=True, error_model="numpy")
def look(s: Series, c: Constants) -> None:
    """Bring up to date what hangs on the age, the step, the pages and the tail of a series."""
    take_up_time(s)
    look_at_prior(s, c)
    look_at_bursts(s, c)
    look_at_tail(s, c)
    look_at_pages(s)
    look_for_border(s, BORDER_RARITY, c)
