"""Samples that wait for their tick to close."""

from __future__ import annotations

import numpy as np

from aiops.model import F64, I32, I64


class Waiting:
    """A heap of samples in the order in which they came.

    >>> waiting = Waiting()
    >>> waiting.add(np.array([0, 1], np.int32), np.array([30, 10]), np.array([0.5, 1.5]))
    >>> waiting.take(10)
    (array([1], dtype=int32), array([10]), array([1.5]))
    >>> len(waiting), waiting.oldest_ms
    (1, 30)
    """

    def __init__(self) -> None:
        self.oldest_ms: int | None = None
        self._parts: list[tuple[I32, I64, F64]] = []
        self._count = 0

    def __len__(self) -> int:
        """How many wait."""
        return self._count

    def add(self, raws: I32, times: I64, values: F64) -> None:
        """Put samples (k,) on the heap."""
        if len(times):
            oldest_ms = int(times.min())
            self.oldest_ms = oldest_ms if self.oldest_ms is None else min(self.oldest_ms, oldest_ms)
            self._parts.append((raws, times, values))
            self._count += len(times)

    def take(self, until_ms: int) -> tuple[I32, I64, F64]:
        """Take away the samples up to and at `until_ms`."""
        if self.oldest_ms is None or self.oldest_ms > until_ms:
            return np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0)
        raws, times, values = (np.concatenate(part) for part in zip(*self._parts, strict=True))
        self.oldest_ms, self._parts, self._count = None, [], 0
        due = times <= until_ms
        if due.all():
            return raws, times, values
        left = ~due
        self.add(raws[left], times[left], values[left])
        return raws[due], times[due], values[due]
