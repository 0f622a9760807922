"""The budget of all series together, shared out over partitions and over the sources in them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import chain, islice

import numpy as np
import pytest

from aiops import config
from aiops._health import Health
from aiops.building.kafka import Parts, build_setup
from aiops.kafka.frames import Found, Rows, rows_of
from aiops.kafka.partition import Partition
from aiops.kafka.topics import partition_of
from aiops.model import Block, SeriesKey, Signal
from aiops.stores.place import open_store
from aiops.telemetry import Telemetry

PARTITIONS, SERVICES, A_WEEK = 4, 40, 60
STEP_MS = 300_000
BEGAN_MS = 1_700_000_000_000 // STEP_MS * STEP_MS
WEEK = 7 * 288
LATENCY = Signal("latency_p95", "latency", "s", "up", pages=True)


@pytest.fixture
def setup_of(tmp_path):
    store = open_store(str(tmp_path / "a.sqlite"))

    def of(partitions):
        budget = f"{{needed: 1, of: 1, page_budget_per_30d: 1000, page_budget_total_per_week: {A_WEEK}}}"
        settings = config.parse(f"kafka: {{partitions: {partitions}}}\ndetection: {budget}", where="test")
        parts = Parts(settings, store, tmp_path, Health(), Telemetry())
        return replace(build_setup(parts), history_s=0.0)

    yield of
    store.close()


def rows(source, services, values, *, row, history=False, first=True):
    """The latency of each service from a row on; names are said in the first message."""
    times = BEGAN_MS + STEP_MS * np.arange(row, row + len(values))
    names = tuple((SeriesKey(LATENCY.name, service), LATENCY) for service in services)
    block = Block(times, np.arange(len(services), dtype=np.int32), values)
    said = (0, names) if first else (len(names), ())
    return Rows(7, source, STEP_MS / 1000, int(times[-1]), history, *said, rows_of(block))


async def pages_in(setup, number, services, noise):
    """Pages that a partition opens after two weeks from which it has only learnt."""
    partition = Partition(number, setup, BEGAN_MS)
    past = rows("prom", services, noise[: 2 * WEEK], row=0, history=True)
    live = rows("prom", services, noise[2 * WEEK :], row=2 * WEEK, first=False)
    said = [*await partition.take(0, BEGAN_MS, past), *await partition.take(1, BEGAN_MS, live)]
    await partition.close()
    return {a.id for one in said if isinstance(one, Found) for a in one.anomalies}


def services_of(number):
    """As many in each partition."""
    mine = (name for i in range(100) if partition_of(name := f"service{i}", PARTITIONS) == number)
    return list(islice(mine, SERVICES // PARTITIONS))


def test_noise_pages_no_more_often_over_all_partitions_than_in_one(setup_of):
    """Each had the whole budget for itself."""
    services = [services_of(number) for number in range(PARTITIONS)]
    noise = 1.0 + 0.1 * np.random.default_rng(5).standard_normal((PARTITIONS, 3 * WEEK, SERVICES // PARTITIONS))
    whole = asyncio.run(pages_in(setup_of(1), 0, [*chain(*services)], np.concatenate(list(noise), axis=1)))
    setup, parted = setup_of(PARTITIONS), set()
    for number, mine in enumerate(services):
        parted |= asyncio.run(pages_in(setup, number, mine, noise[number]))
    assert parted == whole
    assert 0 < len(parted) <= A_WEEK


def test_sources_of_a_partition_share_its_part_also_right_after_a_restart(setup_of):
    async def story():
        first, others = Partition(0, setup_of(PARTITIONS), BEGAN_MS), []
        for offset, (source, services) in enumerate((("one", "abc"), ("two", "de"), ("one", "abc"))):
            values = np.ones((5, len(services)))
            await first.take(offset, BEGAN_MS, rows(source, services, values, row=5 * offset, first=offset < 2))
        data = first.snapshot()
        again = Partition.restored(0, setup_of(PARTITIONS), data)
        for partition, fed in ((first, ("one", "two")), (again, ("two",))):
            await partition.take(3, BEGAN_MS, rows("two", "de", np.ones((5, 2)), row=15, first=False))
            found = {shard.name: shard.detection for shard in partition.shards}
            others.append({name: (found[name].paging, found[name].others) for name in fed})
            await partition.close()
        return others

    assert asyncio.run(story()) == [{"one": (3, 2), "two": (2, 3)}, {"two": (2, 3)}]


def test_each_partition_has_an_equal_part_of_the_budget(setup_of):
    assert setup_of(PARTITIONS).rules.page_budget_total_per_week == A_WEEK / PARTITIONS
