"""What a detection is in the middle of, in plain values."""

from __future__ import annotations

from dataclasses import dataclass

from aiops.detection.changes import Change
from aiops.detection.track import Track
from aiops.model import F64, SeriesKey, Signal


@dataclass(frozen=True, slots=True)
class Watched:
    """A deviation being watched, with all that a restart needs."""

    series: SeriesKey
    signal: Signal
    track: Track


@dataclass(frozen=True, slots=True)
class Start:
    """When a deviation began that people were told of."""

    series: SeriesKey
    signal: Signal
    started_ms: int


@dataclass(frozen=True, slots=True)
class Active:
    """What a detection is in the middle of: small, saved with every cycle.

    `told` holds what was told since the last snapshot; the rest is in the snapshot.
    """

    tracks: tuple[Watched, ...] = ()
    told: tuple[Start, ...] = ()
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class View:
    """What the bank said of the latest row, all arrays (n,): for `/metrics`."""

    time_ms: int
    rarity: F64
    expected: F64
    lower: F64
    upper: F64
