"""How label sets of pushed samples come to numbers: looked into once, and only after all of a body was checked."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from aiops.model import I32, Labels
from aiops.sources._fingerprint import U64
from aiops.sources._pushed_samples import WriteLimits, labels_of
from aiops.sources._series_index import UNKNOWN, SeriesIndex


class Numbering(Protocol):
    """Who gives series their numbers: 0 and up, or one a little below 0 that says why there is none."""

    index: SeriesIndex

    def number(self, labels: Labels) -> int:
        """The number of a label set that was checked."""
        ...

    def remember(self, print_: U64, size: int, number: int) -> None:
        """Put a fingerprint into the index, unless there is no room."""
        ...


def numbers_of(keys: list[bytes], series: Numbering, limits: WriteLimits) -> I32:
    """The number of each label set.

    Raises
    ------
    InputError : a label set is not valid or over a limit; then none was given a number
    """
    numbers, prints = series.index.find_all(keys)
    strange = np.flatnonzero(numbers == UNKNOWN).tolist()
    labels = [labels_of(keys[i], limits) for i in strange]
    for i, one in zip(strange, labels, strict=True):
        numbers[i] = series.number(one)
        if prints[i].any():
            series.remember(prints[i], len(keys[i]), int(numbers[i]))
    return numbers
