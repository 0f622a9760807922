"""When each series was told of before: what lets an anomaly say that it is the third of its kind."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

REMEMBERED = 32  # starts per series, chosen: more than one a day for 30 days is said to be at least that many


class Told:
    """Starts of the latest anomalies per column, of those that had any.

    >>> told = Told()
    >>> told.note(3, 1_000), told.note(3, 5_000), told.note(3, 5_000)
    ((), (1000,), (1000,))
    >>> told.fresh
    [(3, 1000), (3, 5000)]
    """

    def __init__(self) -> None:
        self._starts: dict[int, tuple[int, ...]] = {}
        self.fresh: list[tuple[int, int]] = []
        """Columns and starts noted since `saved`."""

    def note(self, column: int, started_ms: int) -> tuple[int, ...]:
        """Remember an anomaly. Returns the starts of earlier ones, oldest first."""
        starts = self._starts.get(column, ())
        earlier = tuple(t for t in starts if t < started_ms)
        if started_ms not in starts:
            self._starts[column] = tuple(sorted((*starts, started_ms)))[-REMEMBERED:]
            self.fresh.append((column, started_ms))
        return earlier

    def saved(self) -> None:
        """All of it is kept elsewhere now: begin `fresh` anew."""
        self.fresh = []

    def forget(self, columns: Iterable[int]) -> None:
        """Leave nothing of series whose columns other series will have."""
        gone = set(columns)
        self._starts = {column: starts for column, starts in self._starts.items() if column not in gone}
        self.fresh = [(column, start) for column, start in self.fresh if column not in gone]

    def to_arrays(self, columns: NDArray[np.integer]) -> dict[str, NDArray[np.generic]]:
        """Every start of these columns, with the place of its column among them."""
        places = ((place, self._starts.get(column, ())) for place, column in enumerate(columns.tolist()))
        pairs = [(place, start) for place, starts in places for start in starts]
        return {"starts": np.array(pairs, np.int64).reshape(-1, 2)}

    def from_arrays(self, state: dict[str, NDArray[np.generic]]) -> None:
        """Take up what `to_arrays` gave. Raises ValueError when its shape is not ours."""
        pairs = state["starts"]
        if pairs.ndim != 2 or pairs.shape[1] != 2:
            raise ValueError(f"snapshot starts must be (n, 2), got {pairs.shape}")
        self._starts, self.fresh = {}, []
        for column, start in pairs.tolist():
            self.note(column, start)
        self.saved()
