"""Since when each series is there: what starts up is not judged yet.

A series that appears for the first time, or comes back after more than `GAP_MS`, is new: caches are cold, pools are
empty, and people look at it anyway.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aiops.model import F64, I64, Bools

GAP_MS = 3_600_000  # a series that is gone for longer comes back as a new one
NEVER_MS = -(2**61)  # differences to it must fit as well


class Presence:
    """First and last row of the present stretch of each column, and since when the column is this series'."""

    def __init__(self) -> None:
        self.since_ms: I64 = np.zeros(0, np.int64)
        self.seen_ms: I64 = np.zeros(0, np.int64)
        self.taken_ms: I64 = np.zeros(0, np.int64)

    def grow(self, n: int) -> None:
        """Make room for n columns; new ones were never seen."""
        never = np.full(n - len(self.seen_ms), NEVER_MS, np.int64)
        self.since_ms, self.seen_ms = np.concatenate([self.since_ms, never]), np.concatenate([self.seen_ms, never])
        self.taken_ms = np.concatenate([self.taken_ms, never])

    def adopt(self, columns: Sequence[int]) -> None:
        """Other series have these columns from now on: they were never seen."""
        new = list(columns)
        self.since_ms[new] = self.seen_ms[new] = self.taken_ms[new] = NEVER_MS

    def update(self, times: I64, values: F64) -> None:
        """Learn rows: times (t,), values (t, n) with NaN where missing."""
        self.taken_ms[self.taken_ms == NEVER_MS] = times[0]
        there = np.isfinite(values)
        is_even = there.all(axis=0) if _longest_gap(times) <= GAP_MS else np.zeros(there.shape[1], np.bool_)
        new = is_even & (times[0] - self.seen_ms > GAP_MS)
        self.since_ms[new] = times[0]
        self.seen_ms[is_even] = times[-1]
        patchy = np.flatnonzero(~is_even & there.any(axis=0))
        if len(patchy):
            since = self._since(times, there[:, patchy], patchy)
            self.since_ms[patchy] = since[-1]
            self.seen_ms[patchy] = np.where(there[:, patchy], times[:, None], NEVER_MS).max(axis=0)

    def unsettled(self, times: I64, values: F64, settle_s: float) -> tuple[NDArray[np.integer], Bools]:
        """Columns of which some rows come within `settle_s` of their appearance; ask before these rows are learnt.

        Returns
        -------
        (k,) columns, and (t, k) which of their rows
        """
        settle_ms = int(settle_s * 1000)
        young = (times[0] - self.since_ms < settle_ms) | (times[0] - self.seen_ms > GAP_MS)
        may_return = times[-1] - self.seen_ms > GAP_MS
        if _longest_gap(times) > GAP_MS:
            young |= may_return
        elif may_return.any():
            young |= may_return & ~np.isfinite(values).all(axis=0)
        columns = np.flatnonzero(young) if settle_ms else np.zeros(0, np.int64)
        since = self._since(times, np.isfinite(values[:, columns]), columns)
        return columns, np.asarray(times[:, None] - since < settle_ms)

    def silent(self, after_s: float) -> Bools:
        """Columns (n,) that have had no value for so long before the newest value of any column, nor were new then.

        A source that is gone as a whole has no silent columns, however long it lasts. May be asked by any thread.
        """
        # `grow` may be at work in another thread, and lengthens this one last.
        taken_ms = self.taken_ms
        seen_ms = self.seen_ms[: len(taken_ms)]
        is_old = np.maximum(seen_ms, taken_ms) < seen_ms.max(initial=NEVER_MS) - int(after_s * 1000)
        return np.asarray(is_old & (taken_ms != NEVER_MS))

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """All of it by name."""
        arrays = {"since_ms": self.since_ms, "seen_ms": self.seen_ms, "taken_ms": self.taken_ms}
        return {name: array.copy() for name, array in arrays.items()}

    def from_arrays(self, state: dict[str, NDArray[np.generic]]) -> None:
        """Take up what `to_arrays` gave, also before it had `taken_ms`. Raises ValueError when shapes differ."""
        since, seen = state["since_ms"].astype(np.int64), state["seen_ms"].astype(np.int64)
        taken = state.get("taken_ms", np.full(seen.shape, NEVER_MS)).astype(np.int64)
        if not since.shape == seen.shape == taken.shape or since.ndim != 1:
            raise ValueError(f"snapshot since_ms, taken_ms must be {seen.shape}, got {since.shape}, {taken.shape}")
        self.since_ms, self.seen_ms, self.taken_ms = since, seen, taken

    def _since(self, times: I64, there: Bools, columns: NDArray[np.integer]) -> I64:
        """Begin of the stretch that each row is in, (t, columns)."""
        rows = np.where(there, times[:, None], NEVER_MS)
        seen = np.maximum.accumulate(np.vstack([self.seen_ms[None, columns], rows]), axis=0)[:-1]
        begins = np.where(there & (times[:, None] - seen > GAP_MS), times[:, None], NEVER_MS)
        since = np.maximum.accumulate(np.vstack([self.since_ms[None, columns], begins]), axis=0)[1:]
        return np.asarray(since, np.int64)


def _longest_gap(times: I64) -> int:
    return int(np.diff(times).max(initial=0))
