"""Pulled series parted among partitions, while series come and go."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from aiops.kafka import split as module
from aiops.kafka.frames import pack
from aiops.kafka.split import SplitRows
from aiops.kafka.topics import partition_of
from aiops.model import Block, SeriesKey, Signal
from aiops.series import SeriesTable
from aiops.sources import Batch
from tests.kafka._pulled import rows_in

PARTITIONS = 4
SIGNAL = Signal("latency_p95", "latency", "s")
SERVICES = ("cart", "db", "payments", "search", "shop")
MINUTE_MS = 60_000


@dataclass
class Pulled:
    """A source that gives what it is told, in the numbers of its table, as one of Prometheus does."""

    name: str = "prom"
    step_s: float = 60.0
    table: SeriesTable = field(default_factory=SeriesTable)

    def row(self, minute: int, values: dict[str, float], *, history: bool = False) -> Batch:
        self.table.unname()
        numbers = {service: self.table.add(SeriesKey("latency_p95", service), SIGNAL) for service in values}
        row = np.full((1, self.table.width), np.nan)
        for service, value in values.items():
            row[0, numbers[service]] = value
        at_ms = minute * MINUTE_MS
        block = Block(np.array([at_ms]), np.arange(self.table.width, dtype=np.int32), row)
        return Batch(at_ms, (block,), history=history, let_go=self.table.unnamed)

    async def read(self, after):  # noqa: ARG002 - the contract's argument
        """Nothing by itself."""
        for batch in ():
            yield batch


def packed(split, batch):
    return [(partition, pack(rows)) for partition, rows in split.split(batch)]


def test_each_row_reaches_the_partition_of_its_service_and_names_come_once():
    source, messages = Pulled(), []
    split = SplitRows(source, PARTITIONS, 1e9)
    for minute in (1, 2):
        messages += packed(split, source.row(minute, {s: float(i + minute) for i, s in enumerate(SERVICES)}))
    found, names = rows_in(messages)
    assert found == sorted((MINUTE_MS * m, s, float(i + m)) for m in (1, 2) for i, s in enumerate(SERVICES))
    assert all(partition_of(s, PARTITIONS) == p for (p, _), services in names.items() for s in services)
    assert sorted(s for services in names.values() for s in services) == sorted(SERVICES)


def test_large_blocks_are_cut_so_that_a_message_stays_small(monkeypatch):
    monkeypatch.setattr(module, "MOST_VALUES", 4)
    source = Pulled()
    first = source.row(1, dict.fromkeys(SERVICES, 1.0), history=True)
    times = MINUTE_MS * np.arange(1, 4)
    batch = Batch(int(times[-1]), (Block(times, first.blocks[0].ids, np.ones((3, 5))),), history=True)
    messages = SplitRows(source, 1, 1e9).split(batch)
    assert [rows.position for _, rows in messages] == times.tolist()
    assert all(rows.history for _, rows in messages)


def churn(minutes, evict_after_s, *, history=False):
    """A new service every ten minutes, each for twenty; one stays, one comes back late. What was fed and what came."""
    source, fed, messages = Pulled(), [], []
    split = SplitRows(source, PARTITIONS, evict_after_s)
    for minute in range(minutes):
        there = {f"pod{pod}" for pod in range(minute // 10 + 1) if minute < 10 * pod + 20} | {"stays"}
        there |= {"pod1"} if minute > minutes - 5 else set()
        values = {service: math.sin(minute) + len(service) for service in sorted(there)}
        fed += [(minute * MINUTE_MS, service, value) for service, value in values.items()]
        messages += packed(split, source.row(minute, values, history=history))
    return source.table, sorted(fed), messages


def told(messages):
    found, names = rows_in(messages)
    return [cell for cell in found if math.isfinite(cell[2])], names


def test_series_that_stopped_are_let_go_and_what_comes_under_their_numbers_is_named():
    table, fed, messages = churn(600, 1200.0)
    found, names = told(messages)
    assert found == fed
    assert table.width <= 10, "of 61 services"
    said = [service for services in names.values() for service in services]
    assert (said.count("stays"), said.count("pod1")) == (1, 2)


def test_a_new_stream_is_begun_when_most_places_are_dead(monkeypatch):
    monkeypatch.setattr(module, "FEW_PLACES", 3)
    _, fed, messages = churn(600, 1200.0)
    found, names = told(messages)
    assert found == fed
    assert max(map(len, names.values())) < 30
    assert len({stream for _, stream in names}) > 2


def test_nothing_is_let_go_while_the_past_is_read_or_before_its_time():
    assert churn(200, 1200.0, history=True)[0].width == churn(200, 1e9)[0].width == 21
