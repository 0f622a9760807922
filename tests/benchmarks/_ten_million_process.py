"""The receiving process of `_hotpath_ten_million`: bodies come on its input, a line of JSON a tick goes to its output.

`python -m tests.benchmarks._ten_million_process SERIES TICKS light|full`. A body is 4 bytes of length, little end
first, and so many bytes. The first scrape is met: its fingerprints go into the index and labels are not parsed, because
that would take minutes and their strings more memory than all the rest. Later scrapes take the way of the service:
`WriteReader`, a dense row, the bank with its selection.
"""

from __future__ import annotations

import gc
import json
import resource
import sys
import time
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
from numba import njit
from numpy.typing import NDArray

from aiops.demo.encode import HEADERS
from aiops.model import Labels
from aiops.sources._fingerprint import U64
from aiops.sources._pushed_samples import WriteLimits
from aiops.sources._series_index import SeriesIndex
from aiops.sources._snappy import Unpacker
from aiops.sources.remote_write import WriteReader
from detectors import Bank, Light
from detectors.rarity import rarity_threshold
from tests.benchmarks._ten_million_bodies import STEP_MS, TICK_0_MS, keys_of, noise
from tests.benchmarks._write_bodies import BODY_SERIES

F32 = NDArray[np.float32]
WARM_TICKS = 300
FULL_WARM_TICKS = 60  # the full bank has an opinion after 50; 300 would take minutes
EVIDENCE = rarity_threshold(8 / 30)  # as `detection.evidence_budget_per_30d`


class Counted:
    """A `Numbering` by counting: no label is kept, and no series is new any more when the reader begins."""

    def __init__(self) -> None:
        self.index = SeriesIndex()

    def number(self, labels: Labels) -> int:
        raise AssertionError(f"a series was not known again: {labels}")

    def remember(self, prints: U64, sizes: NDArray[np.int32], numbers: NDArray[np.int32]) -> None:
        self.index.add(prints, sizes, numbers)

    def meet(self, keys: list[bytes]) -> None:
        """Number keys from where counting stands."""
        found, prints = self.index.find_all(keys)
        assert (found < 0).all()
        sizes = np.fromiter(map(len, keys), np.int32, len(keys))
        self.remember(prints, sizes, np.arange(len(self.index), len(self.index) + len(keys), dtype=np.int32))


@njit(error_model="numpy")
def _scatter(
    numbers: NDArray[np.int32], times: NDArray[np.int64], values: NDArray[np.float64], at: int, row: F32
) -> int:
    """Put the samples of a tick into its row; how many there were."""
    count = 0
    for i in range(len(numbers)):
        if numbers[i] >= 0 and at - STEP_MS < times[i] <= at:
            row[numbers[i]] = values[i]
            count += 1
    return count


class Body:
    """Room for one body at a time."""

    def __init__(self, source: BinaryIO) -> None:
        self._source, self._room = source, bytearray(1 << 20)

    def read(self) -> memoryview:
        """The next body; valid until the one after it."""
        size = int.from_bytes(self._source.read(4), "little")
        view = memoryview(self._room)[:size]
        assert size, "the sender ended early"
        filled = 0
        while filled < size:
            filled += self._source.readinto(view[filled:])  # type: ignore[attr-defined]
        return view


class Scoring(Protocol):
    """A bank that is told a row."""

    def __call__(self, time_ms: int, row: F32) -> int:
        """Score and learn; how many series are odd enough to be told of."""
        ...


def main(series: int, ticks: int, bank: str) -> None:
    """Meet the series, warm the bank, take `ticks` scrapes; the first of them teaches the order of the series."""
    body, counted, limits = Body(sys.stdin.buffer), Counted(), WriteLimits()
    unpacker = Unpacker(limits)
    for _ in range(series // BODY_SERIES):
        raw, size = unpacker.unpack(body.read())
        counted.meet(keys_of(raw[:size]))
    assert len(counted.index) == series
    score, reader = (_warm_light if bank == "light" else _warm_full)(series), WriteReader(counted, limits)
    row = np.full(series, np.nan, np.float32)
    gc.collect()
    for tick in range(ticks):
        print(json.dumps(_tick(tick, body, reader, score, row)), flush=True)


def _warm_full(series: int) -> Scoring:
    full, values = Bank(series, STEP_MS / 1000), noise(series + 1_000_000)

    def score(time_ms: int, row: F32) -> int:
        said = full.update(np.array([time_ms]), row[None].astype(np.float64))
        return len(np.flatnonzero(said.rarity[0] >= EVIDENCE))

    for tick in range(FULL_WARM_TICKS):
        start = tick * 997
        at = TICK_0_MS - (FULL_WARM_TICKS - tick) * STEP_MS
        full.update(np.array([at]), values[None, start : start + series])
    return score


def _warm_light(series: int) -> Scoring:
    light, values = Light(series, STEP_MS / 1000), noise(series + 1_000_000).astype(np.float32)
    light._memory.season.fill(0)  # a day's pages are there from the start: memory is counted in full
    for tick in range(WARM_TICKS):
        start = tick * 997
        light.tick(TICK_0_MS - (WARM_TICKS - tick) * STEP_MS, values[start : start + series])
    return lambda time_ms, row: len(light.tick(time_ms, row).columns)


def _tick(tick: int, body: Body, reader: WriteReader, score: Scoring, row: F32) -> dict[str, float]:
    """One scrape of all series; seconds of CPU by step, who was told of, memory in bytes."""
    at = TICK_0_MS + tick * STEP_MS
    began = last = time.process_time()
    receive_s = read_s = 0.0
    row.fill(np.nan)
    count = 0
    for _ in range(len(row) // BODY_SERIES):
        view = body.read()
        received = time.process_time()
        got = reader.read(view, HEADERS)
        count += _scatter(got.numbers, got.times, got.values, at, row)
        done = time.process_time()
        receive_s, read_s, last = receive_s + received - last, read_s + done - received, done
    assert count == len(row), (count, len(row))
    told = score(at, row)
    ended = time.process_time()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return {
        "cpu_s": ended - began,
        "receive_s": receive_s,
        "read_s": read_s,
        "score_s": ended - last,
        "told": told,
        "values": float(np.nansum(row, dtype=np.float64)),
        "resident_bytes": pages * resource.getpagesize(),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
