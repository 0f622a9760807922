"""Rarity: the unit in which a budget of pages becomes a threshold."""

from __future__ import annotations

import math

import numpy as np

from detectors._base import F64

NOT_AN_ONSET = 10.0  # taken off the rarity of rows that are part of something already seen
LOWEST = -4.5  # no level is less rare: 30,000 pages a day are more than any pager can open


def rarity_threshold(pages_per_day: float) -> float:
    """The rarity at which a series opens `pages_per_day` pages: -log10 of it.

    >>> rarity_threshold(1.0), round(rarity_threshold(1 / 7), 2), round(rarity_threshold(1 / 30), 2)
    (0.0, 0.85, 1.48)

    Raises
    ------
    ValueError : pages_per_day is not a positive finite number
    """
    if not (pages_per_day > 0.0 and math.isfinite(pages_per_day)):
        raise ValueError(f"pages_per_day must be > 0, got {pages_per_day}")
    return 0.0 - math.log10(pages_per_day)


def level_rarity(rarity: F64) -> F64:
    """The bank's rarity without its onset rule: how rare each row's level is, part of something already seen or not.

    Any shape; NaN stays NaN. For callers that follow a deviation themselves from its first row to its end.

    >>> level_rarity(np.array([1.5, 1.4 - NOT_AN_ONSET, np.nan])).round(1).tolist()
    [1.5, 1.4, nan]
    """
    return np.where(rarity < LOWEST, rarity + NOT_AN_ONSET, rarity)
