"""Error ratios judged by their counts, beside the same ratios as numbers alone.

Simulated services of many sizes, twelve days at 30 s with a daily cycle of traffic, the last twenty minutes an outage.
In one half of the cells requests fail by chance alone, in the other the chance to fail wanders as well, by a factor
that is log-normal and changes within half an hour.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

sys.path.insert(0, str(Path(__file__).parent))
import _cache  # noqa: F401 - before numba
from _table import Row, publish

from aiops.detection.machine import Detection
from aiops.model import Block, SeriesKey, Signal
from aiops.series import SeriesTable

STEP_S, DAY_ROWS, DAYS, OUTAGE_ROWS, SERIES = 30, 2_880, 12, 40, 4
START_MS = 1_700_000_000_000 // 30_000 * 30_000
PER_S = (0.2, 0.5, 1.0, 2.0, 10.0, 100.0)
USUAL = (0.001, 0.01, 0.02, 0.03, 0.05)
CELLS = ((0.0, 0.3), (0.0, 0.1), (0.7, 0.3), (1.2, 0.3))  # how far the chance wanders, share that fails in the outage
ERRORS = Signal("error_ratio", "errors", "ratio", "up", pages=True, min_absolute=0.01, min_relative=0.5)
REQUESTS = Signal("requests_rate", "traffic", "req/s", "down")
F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Service:
    """One simulated service."""

    per_s: float
    usual: float
    values: F64  # (t, 2) ratio, requests per second


def services(wander: float, failing: float) -> list[Service]:
    """All services of a cell."""
    found = []
    for per_s in PER_S:
        for usual in USUAL:
            for seed in range(SERIES):
                rng = np.random.default_rng([round(10 * per_s), round(1_000 * usual), seed])
                found.append(Service(per_s, usual, _traffic(rng, per_s, usual, wander, failing)))
    return found


def _traffic(rng: np.random.Generator, per_s: float, usual: float, wander: float, failing: float) -> F64:
    rows, stays = DAYS * DAY_ROWS, np.exp(-1 / 60)
    slow = lfilter([np.sqrt(1 - stays**2)], [1.0, -stays], rng.standard_normal(rows))
    chance = np.minimum(usual * np.exp(wander * slow), 0.9)
    chance[-OUTAGE_ROWS:] = np.maximum(failing, chance[-OUTAGE_ROWS:])
    cycle = 1 + 0.5 * np.sin(np.arange(rows) / DAY_ROWS * 2 * np.pi)
    requests = rng.poisson(per_s * STEP_S * cycle, rows)
    failed = rng.binomial(requests, chance)
    counted, hits = (np.convolve(x, np.ones(4))[:rows] for x in (requests, failed))
    return np.column_stack([np.where(counted > 0, hits / np.maximum(counted, 1), np.nan), counted / (4.0 * STEP_S)])


def told(found: list[Service], *, counted: bool) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """False pages of each service before its outage, and whether the outage was told."""
    table = SeriesTable()
    for i in range(len(found)):
        table.add(SeriesKey("error_ratio", f"s{i}"), ERRORS)
        table.add(SeriesKey("requests_rate", f"s{i}" if counted else f"other{i}"), REQUESTS)
    values = np.column_stack([one.values for one in found])
    times = START_MS + 1_000 * STEP_S * np.arange(len(values))
    detection, ids = Detection(table, STEP_S), np.arange(values.shape[1], dtype=np.int32)
    before, outage = [set[str]() for _ in found], np.zeros(len(found), np.bool_)
    for begin in range(0, len(times), DAY_ROWS // 4):
        rows = slice(begin, begin + DAY_ROWS // 4)
        for anomaly in detection.feed(Block(times[rows], ids, values[rows])):
            place = int(anomaly.series.service[1:]) if anomaly.pages else -1
            if place >= 0 and anomaly.started_ms >= times[-OUTAGE_ROWS]:
                outage[place] = True
            elif place >= 0:
                before[place].add(anomaly.id)
    return np.array([len(ids) for ids in before]), outage


def main() -> int:
    """Measure, print, write build/bench/shares.json."""
    rows = []
    for wander, failing in CELLS:
        found = services(wander, failing)
        (bank_false, bank_told), (false, hits) = (told(found, counted=counted) for counted in (False, True))
        for per_s in (*PER_S, 0.0):
            mine = np.array([per_s in (0.0, one.per_s) for one in found])
            cell = f"{per_s or 'all'} per s, wander {wander:g}, {failing:.0%} fail"
            alone, with_counts = (100.0 * float(which[mine].mean()) for which in (bank_told, hits))
            goal = f">= {alone:.0f}"
            rows.append(Row(f"outages told by the bank alone, {cell}", round(alone), "%"))
            rows.append(Row(f"outages told, {cell}", round(with_counts), "%", goal, with_counts >= alone))
            over = [float(pages[mine].mean()) / DAYS * 30 for pages in (bank_false, false)]
            rows.append(Row(f"false pages over promise by the bank alone, {cell}", round(over[0], 2), "x"))
            rows.append(Row(f"false pages over promise, {cell}", round(over[1], 2), "x", "<= 2", over[1] <= 2.0))
    publish("shares", rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
