"""Levels that were taken for normal after a change, with what they replaced, so that it can be undone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from aiops.detection.changes import Shift
from aiops.detection.track import Track
from aiops.model import Anomaly, SeriesKey
from aiops.wire import decode, encode

KEPT = 100  # accepted levels, chosen: a week of many deploys

Arrays = dict[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class Accepted:
    """A level that is the normal one of its series now.

    Parameters
    ----------
    id : that of the anomaly it was
    change, change_ms : kind and time of the change it came with
    before, after : the level expected before, and the one accepted, in `unit`
    undone_ms : when it was taken back; None = it holds
    """

    id: str
    series: SeriesKey
    unit: str
    change: str
    change_ms: int
    accepted_ms: int
    before: float
    after: float
    undone_ms: int | None = None


def accepted_of(anomaly: Anomaly, shift: Shift, now_ms: int) -> Accepted:
    """The level that an anomaly came to rest at."""
    return Accepted(
        id=anomaly.id,
        series=anomaly.series,
        unit=anomaly.unit,
        change=shift.kind,
        change_ms=shift.change_ms,
        accepted_ms=now_ms,
        before=anomaly.expected,
        after=shift.level,
    )


class AcceptedLevels:
    """The last accepted levels.

    Attributes
    ----------
    all : oldest first; replaced as a whole, so that another thread may read it
    """

    def __init__(self) -> None:
        self.all: tuple[Accepted, ...] = ()
        self._replaced: dict[str, Arrays] = {}
        self._tracks: dict[str, Track] = {}

    def add(self, one: Accepted, track: Track, replaced: Mapping[str, NDArray[np.generic]]) -> None:
        """Remember a level, the deviation that ended with it and the detectors' memory it replaced."""
        self.all = (*(a for a in self.all if a.id != one.id), one)[-KEPT:]
        self._replaced[one.id], self._tracks[one.id] = dict(replaced), track
        self._replaced = {a.id: self._replaced[a.id] for a in self.all}
        self._tracks = {a.id: self._tracks[a.id] for a in self.all}

    def find(self, accepted_id: str) -> Accepted | None:
        """The level of that id if it still holds."""
        return next((a for a in self.all if a.id == accepted_id and a.undone_ms is None), None)

    def undo(self, one: Accepted, now_ms: int) -> tuple[Track, Arrays]:
        """Note that a level was taken back. Returns what it ended and replaced."""
        self.all = tuple(replace(a, undone_ms=now_ms) if a.id == one.id else a for a in self.all)
        return self._tracks[one.id], self._replaced[one.id]

    def to_arrays(self) -> Arrays:
        """All of it as named arrays."""
        arrays: Arrays = {"list": np.frombuffer(encode([(a, self._tracks[a.id]) for a in self.all]), np.uint8)}
        for i, one in enumerate(self.all):
            arrays |= {f"{i}.{name}": array for name, array in self._replaced[one.id].items()}
        return arrays

    def from_arrays(self, state: Arrays) -> None:
        """Take up what `to_arrays` gave. Raises StoreError when it is damaged."""
        pairs = decode(state["list"].tobytes(), list[tuple[Accepted, Track]])
        self.all, self._replaced = tuple(one for one, _ in pairs), {}
        self._tracks = {one.id: track for one, track in pairs}
        for i, one in enumerate(self.all):
            mark = f"{i}."
            self._replaced[one.id] = {k.removeprefix(mark): v for k, v in state.items() if k.startswith(mark)}
