"""The recent past of a shard, kept for root-cause ranking."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from aiops.model import F64, I64, Block

Number = TypeVar("Number", np.float32, np.float64)

MOST_ROOM = 2048
"""Columns that are made at a time where series arrive one by one: a quarter of those there are, at most so many."""

ROWS_AT_ONCE = 16
"""Rows that are narrowed together: what that takes beside the ring stays small."""


class History:
    """The last rows of all series, in a ring; memory is `rows` x series x 4 bytes.

    New series get a part of their own, so that no row is ever copied because series have come.

    Parameters
    ----------
    rows : how many rows to keep; a root-cause case looks back over `rows` steps at most
    """

    def __init__(self, rows: int = 480) -> None:
        self.rows = rows
        self._times = np.zeros(rows, np.int64)
        self._parts: list[NDArray[np.float32]] = []
        self._width = self._count = 0

    def append(self, block: Block) -> None:
        """Add rows; the oldest ones give way. Values beyond the float32 range become missing."""
        self._grow(int(block.ids.max(initial=-1)) + 1)
        keep = min(len(block.times), self.rows)
        slots = (self._count + np.arange(keep)) % self.rows
        self._times[slots] = block.times[-keep:]
        for start in range(0, keep, ROWS_AT_ONCE):
            few = slots[start : start + ROWS_AT_ONCE]
            rows = np.full((len(few), self._width), np.nan, np.float32)
            with np.errstate(over="ignore"):
                rows[:, block.ids] = block.values[len(block.times) - keep + start :][: len(few)]
            rows[np.isinf(rows)] = np.nan
            for columns, part in self._placed():
                part[few] = rows[:, columns]
        self._count += keep

    def forget(self, columns: Sequence[int]) -> None:
        """Leave nothing of series whose columns other series will have."""
        gone = np.array(columns, np.int64)
        for at, part in self._placed():
            part[:, gone[(gone >= at.start) & (gone < at.stop)] - at.start] = np.nan

    def window(self, after_ms: int, until_ms: int) -> tuple[I64, F64]:
        """Rows with after_ms < time <= until_ms in time order: times (t,), values (t, n) with NaN = missing."""
        order = self._in_time_order()
        inside = order[(self._times[order] > after_ms) & (self._times[order] <= until_ms)]
        return self._times[inside], self._rows(inside, np.float64)

    def snapshot(self) -> dict[str, np.ndarray]:
        """Everything kept, oldest row first."""
        order = self._in_time_order()
        return {"times": self._times[order], "values": self._rows(order, np.float32)}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Take up a snapshot; of more rows than fit the latest are kept."""
        times, values = state["times"][-self.rows :], state["values"][-self.rows :]
        self._count = len(times)
        self._times[: self._count] = times
        self._parts, self._width = [], 0
        self._add(values.shape[1])
        self._parts[0][: len(values)] = values

    def _placed(self) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """The parts, and which columns each holds."""
        first = 0
        for part in self._parts:
            yield slice(first, first + part.shape[1]), part
            first += part.shape[1]

    def _rows(self, places: I64, dtype: type[Number]) -> NDArray[Number]:
        """The rows at these places of the ring, all columns."""
        values = np.empty((len(places), self._width), dtype)
        for columns, part in self._placed():
            values[:, columns] = part[places]
        return values

    def _in_time_order(self) -> I64:
        """Places of the rows that are filled, oldest first."""
        filled = min(self._count, self.rows)
        order = (self._count - filled + np.arange(filled)) % self.rows
        return order[np.argsort(self._times[order], kind="stable")]

    def _grow(self, n: int) -> None:
        missing = n - self._width
        if missing > 0:
            self._add(max(missing, min(self._width // 4, MOST_ROOM)))

    def _add(self, columns: int) -> None:
        part = np.empty((self.rows, columns), np.float32)
        # Rows that are to come are written whole: until then they take no memory.
        part[: min(self._count, self.rows)] = np.nan
        self._parts.append(part)
        self._width += columns
