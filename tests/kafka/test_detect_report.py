"""Series and memory of the partitions of a worker in its metrics, and stopped series."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from aiops.detection.rules import DetectionRules
from aiops.kafka.detect_report import DetectReport
from aiops.kafka.frames import Rows, rows_of
from aiops.kafka.partition import Partition
from aiops.model import Block, SeriesKey, Signal
from aiops.telemetry import Telemetry
from tests.kafka._log import setup

SIGNAL = Signal("latency_p95", "latency", "s")
NAMES = tuple((SeriesKey("latency_p95", name), SIGNAL) for name in ("cart", "db", "shop"))
BEGAN_MS = 1_700_000_000_000
SETUP = replace(setup(1), rules=DetectionRules(evict_after_s=3600.0), max_series=2, limited_by="limits.max_series = 2")


def rows(first, end, *, is_cart_there=True, names=(), history=False):
    """A row a minute of two services."""
    times = BEGAN_MS + 60_000 * np.arange(first, end)
    values = 1.0 + 0.03 * np.random.default_rng(first).standard_normal((end - first, 2))
    if not is_cart_there:
        values[:, 0] = np.nan
    block = rows_of(Block(times, np.arange(2, dtype=np.int32), values))
    return Rows(7, "prom", 60.0, int(times[-1]), history, 0, tuple(names), block)


async def stopped() -> Partition:
    """Both services, then an hour and a half without the cart: it was only learnt, so nobody waits for it."""
    one = Partition(0, SETUP, BEGAN_MS)
    await one.take(0, BEGAN_MS, rows(0, 60, names=NAMES[:2], history=True))
    await one.take(1, BEGAN_MS, rows(60, 150, is_cart_there=False, history=True))
    return one


class Worker:
    def __init__(self, *partitions):
        self.partitions = dict(enumerate(partitions))


def metrics(telemetry):
    pairs = (line.rsplit(" ", 1) for line in telemetry.render().decode().splitlines() if 'source="prom"' in line)
    return {name.removeprefix("aiops_").replace('source="prom"', ""): float(value) for name, value in pairs}


@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_stopped_series_is_let_go_of_and_comes_back_when_it_has_a_value(is_restarted):
    async def story():
        one = await stopped()
        # A live row asks for it, and the next one goes without it.
        await one.take(2, BEGAN_MS, rows(150, 151, is_cart_there=False))
        assert one.series == 2
        await one.take(3, BEGAN_MS, rows(151, 152, is_cart_there=False))
        assert (one.series, one.shards[1].evicted) == (1, 1)
        if is_restarted:
            data = one.snapshot()
            await one.close()
            one = Partition.restored(0, SETUP, data)
        assert [key.service for key, _ in one.shards[1].source.table.items()] == ["db"]
        await one.take(4, BEGAN_MS, rows(152, 154))
        table = one.shards[1].source.table
        assert {key.service for key, _ in table.items()} == {"db", "cart"}
        last = one.shards[1].history.window(BEGAN_MS, 2**62)[1][-1]
        assert np.isfinite(last[[number for number, _, _ in table.numbered()]]).all()
        assert one.lost == 0
        await one.close()

    asyncio.run(story())


def test_metrics_are_those_of_one_process_summed_over_partitions():
    async def story():
        one, telemetry = await stopped(), Telemetry()
        worker = Worker(one)
        report = DetectReport(worker, telemetry, lambda: BEGAN_MS)
        await one.take(2, BEGAN_MS, replace(rows(150, 151, is_cart_there=False), first=2, names=NAMES[2:]))
        report.report()
        report.report()
        said = metrics(telemetry)
        assert (said["watched_series{}"], said["series_stopped{}"], said["series_refused_total{}"]) == (2, 1, 1)
        assert said['bank_series{bank="full",}'] + said['bank_series{bank="light",}'] == 2
        assert said["detector_memory_bytes{}"] > 0

        # Another worker's partition comes, then all go: what was counted stays counted, what is there is not.
        worker.partitions[1] = other = await stopped()
        for row in (150, 151):
            await other.take(row, BEGAN_MS, rows(row, row + 1, is_cart_there=False))
        report.report()
        said = metrics(telemetry)
        assert (said["watched_series{}"], said["series_evicted_total{}"]) == (3, 1)
        worker.partitions.clear()
        report.report()
        said = metrics(telemetry)
        assert (said["watched_series{}"], said["series_refused_total{}"], said["detector_memory_bytes{}"]) == (0, 1, 0)
        await one.close()

    asyncio.run(story())


def test_a_status_says_what_is_full_silent_and_lost():
    async def story():
        one = Partition(0, SETUP, BEGAN_MS)
        await one.take(0, BEGAN_MS, rows(0, 150, names=NAMES[:2]))
        await one.take(2, BEGAN_MS + 3_600_000, replace(rows(150, 151), first=2, names=NAMES[2:]))
        await one.take(3, BEGAN_MS + 3_660_000, rows(151, 156, is_cart_there=False))
        (source,) = [source for source in one.status(1.5).sources if source.name == "prom"]
        assert (source.series, source.refused, source.limited_by) == (2, 1, "limits.max_series = 2")
        assert source.heard_ms == BEGAN_MS + 3_660_000, "by the clock of the messages"
        assert dict(source.lost) == {"cart": BEGAN_MS + 150 * 60_000}
        assert one.status(1.5).behind_s == 1.5
        await one.close()

    asyncio.run(story())


def test_samples_how_far_they_are_scored_and_whether_a_source_gives_any_are_shown():
    async def story():
        now_ms = [BEGAN_MS + 60 * 60_000]
        one, telemetry = Partition(0, SETUP, BEGAN_MS), Telemetry(clock=lambda: now_ms[0] / 1000)
        worker = Worker(one)
        report = DetectReport(worker, telemetry, lambda: now_ms[0])
        await one.take(0, now_ms[0], rows(0, 60, names=NAMES[:2]))
        report.report()
        report.report()
        said = metrics(telemetry)
        assert (said["samples_total{}"], said["source_up{}"], said["cycle_lag_seconds{}"]) == (120, 1, 60)
        now_ms[0] += 600_000
        await one.take(1, now_ms[0], None)
        report.report()
        said = metrics(telemetry)
        assert (said["samples_total{}"], said["source_up{}"], said["cycle_lag_seconds{}"]) == (120, 0, 660)
        worker.partitions.clear()
        report.report()
        assert metrics(telemetry)["source_up{}"] == 1, "it is another worker's now, if anybody's"
        await one.close()

    asyncio.run(story())
