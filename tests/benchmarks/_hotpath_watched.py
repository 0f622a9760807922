"""What a watched series costs in the service: resident memory and CPU of a shard, in the full and in the light bank.

Each bank is measured in a process of its own, because memory that was given back to Python is not given back to the
system. All series come with the first row, as those of a Prometheus do.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from aiops._cost import FULL, LIGHT
from aiops.detection.rules import DetectionRules
from aiops.model import Block, SeriesKey, Signal
from aiops.pipeline import Shard
from aiops.series import SeriesTable
from aiops.sources import Batch
from tests.benchmarks._table import Row, at_most

SERIES = 100_000
ROWS = 500
"""More than the history holds."""
STEP_S = 15.0
BEGAN_MS = 1_700_000_010_000
ROOT = Path(__file__).resolve().parents[2]


@dataclass
class _Numbered:
    """A source whose series are numbered and whose rows are made by the one who measures."""

    name: str = "measured"
    step_s: float = STEP_S
    table: SeriesTable = field(default_factory=lambda: SeriesTable(SERIES))

    async def read(self, after: int | None) -> AsyncIterator[Batch]:  # noqa: ARG002 - the contract of sources
        return
        yield


def rows() -> list[Row]:
    """Measure; about two minutes and 0.6 GiB."""
    found = []
    for bank, cost in (("full", FULL), ("light", LIGHT)):
        command = [sys.executable, "-m", __name__, bank]
        told = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)
        name = f"watched series, {bank} bank, with history and names"
        found += [
            at_most(f"{name}: memory", told["memory_bytes"], "B/series", cost.memory_bytes),
            at_most(f"{name}: CPU, one row at a time, median row", told["sample_ns"], "ns/sample", cost.sample_ns),
        ]
    return found


def _measure(bank: str) -> dict[str, float]:
    signal = Signal("latency_p95", "latency", "s", "up", pages=bank == "full")
    rules = DetectionRules(light_evidence=True)
    _fed(signal, rules, 50, 60)  # compiled code is not a series' memory
    before = _resident_bytes()
    shard, costs_s = _fed(signal, rules, SERIES, ROWS)
    used = _resident_bytes() - before
    assert (shard.detection.ensemble.bank.full == SERIES) == (bank == "full")
    return {"memory_bytes": used / SERIES, "sample_ns": float(np.median(costs_s)) / SERIES * 1e9}


def _fed(signal: Signal, rules: DetectionRules, series: int, rows_: int) -> tuple[Shard, list[float]]:
    """A shard that has seen so many rows, and what each took, CPU seconds."""
    shard, costs_s = Shard(_Numbered(), rules), list[float]()
    for i in range(series):
        service = f"service-{i // 50}"
        labels = (("pod", f"{service}-7d9f8c6b5d-{i:06x}"), ("route", f"/api/v1/resource-{i % 50}"))
        shard.source.table.add(SeriesKey(signal.name, service, labels=labels), signal)
    noise = 1.0 + 0.1 * np.random.default_rng(0).standard_normal(series + 100_000)
    ids = np.arange(series, dtype=np.int32)
    for row in range(rows_):
        time_ms, start = BEGAN_MS + row * int(1000 * STEP_S), row * 97 % 100_000
        block = Block(np.array([time_ms]), ids, noise[None, start : start + series].copy())
        began_s = time.process_time()
        shard.feed(Batch(time_ms, (block,)))
        costs_s.append(time.process_time() - began_s)
    return shard, costs_s


def _resident_bytes() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    os.environ.setdefault("NUMBA_NUM_THREADS", "1")
    print(json.dumps(_measure(sys.argv[1])))
