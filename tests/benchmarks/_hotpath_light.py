"""The light bank: its kernel against a stream over the same memory, and what a series costs from 10,000 to 10 million.

Bytes and nanoseconds of CPU; the kernel and the stream interleaved in one run, best of many rounds each.
"""

from __future__ import annotations

import gc
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numba import njit
from numpy.typing import NDArray

from aiops.demo.encode import HEADERS
from aiops.sources.remote_write import WriteReader
from detectors import Bank, Light
from detectors._light_block import Moment, Room, select, sweep
from detectors._light_memory import LightMemory
from detectors.light import BLOCK
from tests.benchmarks._table import Row, at_most
from tests.benchmarks._write_bodies import BODY_SERIES, bodies
from tests.sources._ledger import Ledger

F32 = NDArray[np.float32]
STEP_S = 15.0
SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
ROUNDS = 15
DECODED_SERIES = 100 * BODY_SERIES  # more than the caches hold
LEAST = 0.5  # rarity that evidence is told at: 8 false pages in 30 days are 0.57
MOMENT = Moment(3, 4, np.float32(0.3), np.float32(0.7), np.float32(0.01))


def rows() -> list[Row]:
    """Measure; the largest size takes about two minutes and 2 GiB."""
    return [*_kernel_rows(2_000_000), *_growth_rows(), *_full_rows(1_000_000)]


class _Counting(Ledger):
    """Numbers by a dictionary: what `Ledger` does with a list would be all that is measured."""

    def __init__(self) -> None:
        super().__init__()
        self.by_labels: dict[object, int] = {}

    def number(self, labels: object) -> int:
        return self.by_labels.setdefault(labels, len(self.by_labels))


# -- the kernel against the stream


@njit(error_model="numpy")
def _kernel(m: LightMemory, x: F32, at: Moment) -> int:
    room = Room(np.empty(BLOCK, np.float32), np.empty(BLOCK, np.float32), np.empty(BLOCK, np.float32))
    found, count = np.empty(BLOCK + 1, np.int32), 0
    for first in range(0, len(x), BLOCK):
        sweep(m, x, first, at, room)
        count += select(room.odd, min(BLOCK, len(x) - first), found)
    return count


@njit(error_model="numpy")
def _stream(m: LightMemory, x: F32, at: Moment) -> int:
    """Read what the kernel reads, write what it writes, and hardly compute."""
    total = 0
    for first in range(0, len(x), BLOCK):
        last = min(len(x), first + BLOCK)
        for field in (m.level, m.variance, m.odd, m.shift, m.hour):
            part = field[first:last]
            for i in range(len(part)):
                part[i] = part[i] * np.float32(1.0000001)
        rows = m.rows[first:last]
        for i in range(len(rows)):
            rows[i] ^= np.uint16(0)
        for season in (m.season[at.low, first:last], m.season[at.high, first:last]):
            for i in range(len(season)):
                total += season[i]
        values = x[first:last]
        for i in range(len(values)):
            total += np.int32(values[i])
    return total


def _kernel_rows(n: int) -> list[Row]:
    noise, light = _noise(n), Light(n, STEP_S)
    for tick in range(300):
        light.tick(_ms(tick), _row(noise, n, tick), LEAST)
    memory, ticks = light._memory, iter(range(300, 10_000))
    ways: dict[str, Callable[[], object]] = {
        "stream": lambda: _stream(memory, noise[:n], MOMENT),
        "kernel": lambda: _kernel(memory, _row(noise, n, next(ticks)), MOMENT),
        "tick": lambda: light.tick(_ms(tick := next(ticks)), _row(noise, n, tick), LEAST),
    }
    best = dict.fromkeys(ways, np.inf)
    for _ in range(ROUNDS):
        for name, way in ways.items():
            best[name] = min(best[name], _cpu_s(way) / n * 1e9)
    return [
        Row("light: memory stream over what a tick touches", best["stream"], "ns/series"),
        Row("light: sweep and selection", best["kernel"], "ns/series"),
        at_most("light: sweep and selection against the stream", best["kernel"] / best["stream"], "x", 1.5),
        Row("light: whole tick with the tails of the odd", best["tick"], "ns/series"),
    ]


# -- cost by the number of series


def _growth_rows() -> list[Row]:
    Light(1, STEP_S).tick(_ms(0), np.zeros(1, np.float32))  # compiled code is not a series' memory
    found = []
    for n in SIZES:
        tick_ns, state_bytes = _light_cost(n)
        found += [
            Row(f"light: tick of {n:,} series", tick_ns, "ns/series"),
            Row(f"light: memory of {n:,} series", state_bytes, "B/series"),
        ]
    peak_gib = _peak_gib()
    decode_ns, index_bytes = _decode_cost()
    peak_gib += index_bytes * SIZES[-1] / 2**30
    share = (tick_ns + decode_ns + _scatter_ns(SIZES[-1])) * SIZES[-1] / (STEP_S * 1e9)
    return [
        *found,
        Row("light: decoding a sample of a known series", decode_ns, "ns/sample"),
        at_most(
            "light: 10 M series every 15 s, sum of decode, scatter, score, select", 100 * share, "% of a core", 25.0
        ),
        at_most("light: memory of 10 M series, bank and index of the reader, without labels", peak_gib, "GiB", 4.0),
    ]


def _light_cost(n: int) -> tuple[float, float]:
    gc.collect()
    before = _resident_bytes()
    light, noise = Light(n, STEP_S), _noise(n)
    light._memory.season.fill(0)
    warm = 60
    for tick in range(warm):
        light.tick(_ms(tick), _row(noise, n, tick), LEAST)
    used = _resident_bytes() - before - noise.nbytes
    best = [_cpu_s(lambda t=tick: light.tick(_ms(t), _row(noise, n, t), LEAST)) for tick in range(warm, warm + 12)]  # type: ignore[misc]
    return float(np.median(best)) / n * 1e9, used / n


def _decode_cost() -> tuple[float, float]:
    """Nanoseconds a sample, snappy and all checks, by the reader of the service; bytes a series in its index."""
    ledger = _Counting()
    reader, some = WriteReader(ledger), list(bodies(DECODED_SERIES, [_ms(0)]))
    for _ in range(3):
        for body in some:
            reader.read(body, HEADERS)
    best = min(_cpu_s(lambda: [reader.read(body, HEADERS) for body in some]) for _ in range(10))
    return best / DECODED_SERIES * 1e9, ledger.index.nbytes / len(ledger.index)


@njit(error_model="numpy")
def _scatter(numbers: NDArray[np.int32], values: NDArray[np.float64], row: F32) -> None:
    for i in range(len(numbers)):
        row[numbers[i]] = values[i]


def _scatter_ns(n: int) -> float:
    """Bodies of neighbours, in any order, into a dense row."""
    row, values = np.full(n, np.nan, np.float32), np.random.default_rng(0).standard_normal(BODY_SERIES)
    order = np.random.default_rng(0).permutation(n // BODY_SERIES)
    numbers = [np.arange(b * BODY_SERIES, (b + 1) * BODY_SERIES, dtype=np.int32) for b in order]

    def all_bodies() -> None:
        for some in numbers:
            _scatter(some, values, row)

    all_bodies()
    return min(_cpu_s(all_bodies) for _ in range(3)) / n * 1e9


# -- the full bank


def _full_rows(n: int) -> list[Row]:
    gc.collect()
    bank, rng = Bank(n, STEP_S), np.random.default_rng(0)
    warm = rng.standard_normal((1, n)) + 100.0
    for tick in range(60):
        bank.update(np.array([_ms(tick)]), np.roll(warm, 7 * tick, axis=1))
    times = [_cpu_s(lambda t=t: bank.update(np.array([_ms(t)]), np.roll(warm, 7 * t, axis=1))) for t in range(60, 66)]  # type: ignore[misc]
    share = 100 * float(np.median(times)) / STEP_S
    return [
        at_most("full bank: 1 M series every 15 s, scoring", share, "% of a core", 60.0),
        at_most("full bank: its memory for 1 M series", bank.state_bytes_per_series * n / 2**30, "GiB", 2.5),
    ]


# -- how


def _noise(n: int) -> F32:
    return np.random.default_rng(0).standard_normal(n + 1_000_000, np.float32) + np.float32(100.0)


def _row(noise: F32, n: int, tick: int) -> F32:
    """Another value for every series at every tick, without the cost of drawing it."""
    start = tick * 997 % 1_000_000
    return noise[start : start + n]


def _ms(tick: int) -> int:
    return 1_700_000_000_000 + round(tick * STEP_S * 1000)


def _cpu_s(way: Callable[[], object]) -> float:
    began = time.process_time()
    way()
    return time.process_time() - began


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()


def _peak_gib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 2**30
