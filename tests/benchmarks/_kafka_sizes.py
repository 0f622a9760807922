"""Bytes a sample takes in a frame, by what the series are like, and what packing and unpacking takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np

from aiops.kafka.frames import Frame, pack, unpack
from aiops.model import F64
from tests.benchmarks._table import Row, at_most

SAMPLES, TARGETS, TURNS = 12_000, 60, 15
GOAL_BYTES = 6.0


def _series(rng: np.random.Generator, n: int) -> dict[str, F64]:
    """Values of one scrape of n series of each kind."""
    totals, shares = 10 ** rng.uniform(3, 6, -(-n // 12)), 1 - 10 ** -np.linspace(0.02, 5, 12)
    return {
        "histogram buckets": np.floor(totals[:, None] * shares).ravel()[:n],
        "counters up to 10 M": np.floor(10 ** rng.uniform(2, 7, n)),
        "sizes in bytes": np.floor(rng.lognormal(15, 3, n)),
        "gauges of two digits": np.round(rng.uniform(0, 1000, n), 2),
        "CPU seconds in nanoseconds": np.floor(rng.uniform(1e3, 1e5, n) * 1e9) / 1e9,
        "floats of all digits": 10 ** rng.uniform(0, 4, n),
    }


MIXTURE = (42, 21, 13, 8, 8, 8)
"""Per cent of each kind, in their order: chosen after what a node, a Kubernetes and a web service expose."""


def measured() -> Iterator[list[Row]]:
    """Measure."""
    rng = np.random.default_rng(0)
    kinds = _series(rng, SAMPLES)
    parts = [values[: SAMPLES * share // 100] for values, share in zip(kinds.values(), MIXTURE, strict=True)]
    found = []
    for kind, values in (kinds | {"a mixture": np.concatenate(parts)}).items():
        frame = _frame(values, rng)
        data, n = pack(frame), len(values)
        found += [
            at_most(f"{kind}: bytes on the wire", len(data) / n, "bytes/sample", GOAL_BYTES),
            Row(f"{kind}: packing", _cpu_s(lambda f=frame: pack(f)) / n * 1e9, "ns/sample"),
            Row(f"{kind}: unpacking", _cpu_s(lambda d=data: unpack(d)) / n * 1e9, "ns/sample"),
        ]
    yield found


def _frame(values: F64, rng: np.random.Generator) -> Frame:
    """A scrape of some targets, each at its own time."""
    times = 1_700_000_000_000 + np.repeat(rng.integers(0, 15_000, TARGETS), -(-len(values) // TARGETS))
    return Frame(1, 0, (), np.arange(len(values), dtype=np.int32), times[: len(values)], values)


def _cpu_s(work: Callable[[], object]) -> float:
    """Processor time of the quickest turn."""
    turns = []
    for _ in range(TURNS):
        began_s = time.process_time()
        work()
        turns.append(time.process_time() - began_s)
    return min(turns)
