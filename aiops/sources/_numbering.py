"""How label sets of pushed samples come to numbers: looked into once, and only after all of a body was checked."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from aiops.model import I32, Labels
from aiops.sources._fingerprint import MOST_BYTES, U64
from aiops.sources._pushed_samples import WriteLimits, labels_of
from aiops.sources._series_index import UNKNOWN, SeriesIndex


class Numbering(Protocol):
    """Who gives series their numbers: 0 and up, or one a little below 0 that says why there is none."""

    index: SeriesIndex

    def number(self, labels: Labels) -> int:
        """The number of a label set that was checked."""
        ...

    def remember(self, prints: U64, sizes: I32, numbers: I32) -> None:
        """Put fingerprints (m, 2) of label sets with these sizes and numbers into the index, as many as have room."""
        ...


def numbers_of(keys: list[bytes], series: Numbering, limits: WriteLimits) -> I32:
    """The number of each label set.

    Raises
    ------
    InputError : a label set is not valid or over a limit; then none was given a number
    """
    numbers, prints = series.index.find_all(keys)
    strange = np.flatnonzero(numbers == UNKNOWN)
    if not len(strange):
        return numbers
    chosen = [keys[i] for i in strange.tolist()]
    numbers[strange] = [series.number(labels) for labels in [labels_of(key, limits) for key in chosen]]
    sizes = np.fromiter(map(len, chosen), np.int32, len(chosen))
    short = sizes <= MOST_BYTES
    series.remember(prints[strange[short]], sizes[short], numbers[strange[short]])
    return numbers
