"""The contract of detection: score with the past, then learn.

Two units. *Surprise* is -log10 P(a value this odd | normal) of one sample: 3 is one in a thousand. *Rarity* is -log10
of the pages per day that this level would open on this series: 0.85 is once a week, 1.48 once in 30 days, whatever the
step and the series. A detector speaks in surprise, the bank in rarity.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

F64: TypeAlias = NDArray[np.float64]
I64: TypeAlias = NDArray[np.int64]
State: TypeAlias = dict[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class Scores:
    """What one detector says. All arrays (t, n); NaN = no opinion (warm-up, missing value)."""

    surprise: F64
    expected: F64
    lower: F64
    upper: F64

    @classmethod
    def without_band(cls, surprise: F64) -> Scores:
        """Of a detector that expects no value: the rest is NaN."""
        none = np.broadcast_to(np.float64(np.nan), surprise.shape)  # takes no memory, and cannot be written to
        return cls(surprise, none, none, none)


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What the bank says. All arrays (t, n); NaN = no opinion.

    Parameters
    ----------
    rarity : -log10 of the pages per day this level would open on this series; marks onsets: while an alert that this
        series opened is still active, further rows are far below
    surprise : -log10 of the chance of a sample this odd, all detectors combined, onset or not
    expected, lower, upper : the band the value was expected in, before it was learnt
    """

    rarity: F64
    surprise: F64
    expected: F64
    lower: F64
    upper: F64


class Detector(Protocol):
    """Scores n series at once, then learns. Its memory is arrays, one column per series."""

    def update(self, times: I64, values: F64) -> Scores:
        """Score each value with what earlier ones taught, then learn it.

        Parameters
        ----------
        times : (t,) unix ms, strictly increasing, after any earlier call
        values : (t, n) one column per series, in the unit of the series; NaN = missing

        Raises
        ------
        ValueError : shapes differ, n is not the number of columns, or times go back
        """
        ...

    def grow(self, n: int) -> None:
        """Make room for n columns; new ones start cold, old ones keep their memory."""
        ...

    def snapshot(self) -> State:
        """The whole memory as named arrays, with the version of their layout under "version"."""
        ...

    def restore(self, state: State) -> None:
        """Take up a snapshot. Raises ValueError when its version or shape is not ours."""
        ...
