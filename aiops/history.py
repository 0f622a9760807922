"""The recent past of a shard, kept for root-cause ranking."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aiops.model import F64, I64, Block


class History:
    """The last rows of all series, in a ring; memory is `rows` x series x 4 bytes.

    Parameters
    ----------
    rows : how many rows to keep; a root-cause case looks back over `rows` steps at most
    """

    def __init__(self, rows: int = 480) -> None:
        self.rows = rows
        self._times = np.zeros(rows, np.int64)
        self._values = np.full((rows, 0), np.nan, np.float32)
        self._count = 0

    def append(self, block: Block) -> None:
        """Add rows; the oldest ones give way. Values beyond the float32 range become missing."""
        self._grow(int(block.ids.max(initial=-1)) + 1)
        keep = min(len(block.times), self.rows)
        slots = (self._count + np.arange(keep)) % self.rows
        self._times[slots] = block.times[-keep:]
        self._values[slots] = np.nan
        with np.errstate(over="ignore"):
            recent = block.values[-keep:].astype(np.float32)
        recent[np.isinf(recent)] = np.nan
        self._values[np.ix_(slots, block.ids)] = recent
        self._count += keep

    def forget(self, columns: Sequence[int]) -> None:
        """Leave nothing of series whose columns other series will have."""
        self._values[:, [column for column in columns if column < self._values.shape[1]]] = np.nan

    def window(self, after_ms: int, until_ms: int) -> tuple[I64, F64]:
        """Rows with after_ms < time <= until_ms in time order: times (t,), values (t, n) with NaN = missing."""
        order = self._in_time_order()
        inside = order[(self._times[order] > after_ms) & (self._times[order] <= until_ms)]
        return self._times[inside], self._values[inside].astype(np.float64)

    def snapshot(self) -> dict[str, np.ndarray]:
        """Everything kept, oldest row first."""
        order = self._in_time_order()
        return {"times": self._times[order], "values": self._values[order]}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Take up a snapshot; of more rows than fit the latest are kept."""
        times, values = state["times"][-self.rows :], state["values"][-self.rows :]
        self._count = len(times)
        self._times[: self._count] = times
        self._values = np.full((self.rows, values.shape[1]), np.nan, np.float32)
        self._values[: self._count] = values

    def _in_time_order(self) -> I64:
        """Places of the rows that are filled, oldest first."""
        filled = min(self._count, self.rows)
        order = (self._count - filled + np.arange(filled)) % self.rows
        return order[np.argsort(self._times[order], kind="stable")]

    def _grow(self, n: int) -> None:
        missing = n - self._values.shape[1]
        if missing > 0:
            # A quarter more than asked for, so that series that arrive one by one do not copy the ring each time.
            room = np.full((self.rows, missing + n // 4), np.nan, np.float32)
            self._values = np.concatenate([self._values, room], axis=1)
