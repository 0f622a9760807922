"""Reading single bodies: every label set is given a number, and none is ever let go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from aiops.demo.encode import HEADERS
from aiops.model import I32, Labels
from aiops.sources._fingerprint import U64
from aiops.sources._pushed_samples import WriteLimits
from aiops.sources._series_index import SeriesIndex
from aiops.sources.remote_write import STALE_BITS, WriteReader


@dataclass
class Ledger:
    """A `Numbering`; `labels` by number."""

    index: SeriesIndex = field(default_factory=SeriesIndex)
    labels: list[Labels] = field(default_factory=list)
    asked: int = 0

    def number(self, labels: Labels) -> int:
        self.asked += 1
        if labels not in self.labels:
            self.labels.append(labels)
        return self.labels.index(labels)

    def remember(self, prints: U64, sizes: I32, numbers: I32) -> None:
        self.index.add(prints, sizes, numbers)


@dataclass
class Read:
    """A body, copied; one row per sample: labels, unix ms, bits of the value."""

    rows: list[tuple[Labels, int, int]]
    skipped: dict[str, int]

    @property
    def labels(self) -> list[Labels]:
        return [row[0] for row in self.rows]

    @property
    def times(self) -> list[int]:
        return [row[1] for row in self.rows]

    @property
    def values(self) -> list[float]:
        return np.array([row[2] for row in self.rows], np.uint64).view(np.float64).tolist()

    @property
    def stale(self) -> list[bool]:
        return [row[2] == STALE_BITS for row in self.rows]


class Reader:
    """A `WriteReader` over a ledger."""

    def __init__(self, limits: WriteLimits | None = None) -> None:
        self.ledger = Ledger()
        self._reader = WriteReader(self.ledger, limits)

    def __call__(self, body: bytes, headers: Mapping[str, str] | None = None) -> Read:
        got = self._reader.read(body, HEADERS if headers is None else headers)
        labels = [self.ledger.labels[number] for number in got.numbers.tolist()]
        bits = got.values.view(np.uint64).tolist()
        return Read(list(zip(labels, got.times.tolist(), bits, strict=True)), got.skipped)


def read(body: bytes, limits: WriteLimits | None = None, headers: Mapping[str, str] | None = None) -> Read:
    """One body by a reader that has seen none."""
    return Reader(limits)(body, headers)
