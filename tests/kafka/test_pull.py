from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import numpy as np

from aiops._health import Health
from aiops.errors import Overloaded, Refused, Unavailable
from aiops.kafka import pull
from aiops.kafka.pull import LeasedPull
from aiops.kafka.status import PullStatus
from aiops.model import Block, SeriesKey, Signal
from aiops.series import SeriesTable
from aiops.sources import Batch
from aiops.sources._prometheus_health import SourceHealth
from aiops.stores.place import open_store
from aiops.stores.workers import Leases
from tests.kafka._pulled import rows_in

PARTITIONS = 4
SIGNAL = Signal("latency_p95", "latency", "s")
SERVICES = ("cart", "db", "payments", "search", "shop")


def table_of(*services):
    table = SeriesTable()
    for service in services:
        table.add(SeriesKey("latency_p95", service), SIGNAL)
    return table


@dataclass
class Prometheus:
    """A source with a row a minute; fails once when it is told to."""

    rows: int = 3
    value: float = 1.0
    fails: bool = False
    name: str = "prom"
    step_s: float = 60.0
    table: SeriesTable = field(default_factory=lambda: table_of(*SERVICES))
    asked: list[int | None] = field(default_factory=list)
    refuses: bool = False
    health: SourceHealth = field(default_factory=lambda: SourceHealth(up=True))
    noted: Health | None = None

    async def read(self, after):
        self.asked.append(after)
        if self.refuses:
            raise Refused("401")
        for row in range(self.rows):
            at_ms = 60_000 * (row + 1)
            if after is None or at_ms > after:
                if self.fails and row == 1:
                    self.fails = False
                    raise Unavailable("away")
                ids = np.arange(len(SERVICES), dtype=np.int32)
                values = np.full((1, len(SERVICES)), self.value * row)
                yield Batch(at_ms, (Block(np.array([at_ms]), ids, values),))
        await asyncio.Event().wait()


def pulling(store, source, holder, messages, *, refuses=None):
    async def put(partition, data):
        if refuses is not None and refuses:
            refuses.pop()
            raise Overloaded("no broker")
        messages.append((partition, data))

    leases = Leases(store, holder, 60_000)

    def make(health):
        source.noted = health
        return source

    return LeasedPull(
        "prom",
        make,
        store=store,
        leases=leases,
        renew_s=0.01,
        partitions=PARTITIONS,
        evict_after_s=1e9,
        put=put,
        clock=lambda: 1.0,
    )


def run_until(is_so, *pulls):
    async def story():
        tasks = [asyncio.create_task(one.run(asyncio.Event())) for one in pulls]
        async with asyncio.timeout(30):
            while not is_so():  # noqa: ASYNC110 - what is waited for tells nobody
                await asyncio.sleep(0.002)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(story())


def test_one_of_two_workers_pulls_and_the_other_goes_on_where_it_was(tmp_path):
    store = open_store(str(tmp_path / "a.sqlite"))
    first, second, messages = Prometheus(rows=2), Prometheus(rows=4), []
    run_until(
        lambda: store.positions().get("pull/prom") == 120_000,
        pulling(store, first, "one", messages),
    )
    run_until(lambda: store.positions()["pull/prom"] == 240_000, pulling(store, second, "two", messages))
    assert (first.asked, second.asked) == ([None], [120_000])
    times = sorted({at_ms for at_ms, *_ in rows_in(messages)[0]})
    assert times == [60_000, 120_000, 180_000, 240_000]
    store.close()


def test_only_the_worker_that_reads_a_source_waits_for_its_first_value(tmp_path, monkeypatch):
    monkeypatch.setattr(pull, "AGAIN_S", 0.001)
    store = open_store(str(tmp_path / "a.sqlite"))
    away = Prometheus(refuses=True)
    one, two = pulling(store, away, "one", []), pulling(store, away, "two", [])
    assert not one.waits(), "it does not read yet"
    waiting = []
    run_until(lambda: len(away.asked) > 2 and waiting.append([one.waits(), two.waits()]) is None, one, two)
    assert sorted(waiting[0]) == [False, True]
    assert not one.waits()
    assert not two.waits()
    there = pulling(store, Prometheus(), "three", [])
    run_until(lambda: store.positions().get("pull/prom") == 180_000 and not there.waits(), there)
    store.close()


def test_a_source_that_answers_without_values_is_still_waited_for(tmp_path):
    store = open_store(str(tmp_path / "a.sqlite"))
    empty = pulling(store, Prometheus(value=np.nan), "one", [])
    run_until(lambda: store.positions().get("pull/prom") == 180_000 and empty.waits(), empty)
    store.close()


def test_while_one_worker_has_the_lease_no_other_reads(tmp_path):
    store = open_store(str(tmp_path / "a.sqlite"))
    one, two, messages = Prometheus(), Prometheus(), []
    held, waits = pulling(store, one, "one", messages), pulling(store, two, "two", messages)
    run_until(lambda: store.positions().get("pull/prom") == 180_000, held, waits)
    assert sorted([len(one.asked), len(two.asked)]) == [0, 1]
    store.close()


def test_a_source_or_kafka_that_is_away_is_begun_again_from_what_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr(pull, "AGAIN_S", 0.001)
    store = open_store(str(tmp_path / "a.sqlite"))
    source, messages = Prometheus(fails=True), []
    run_until(
        lambda: store.positions().get("pull/prom") == 180_000,
        pulling(store, source, "one", messages, refuses=["once"]),
    )
    assert source.asked == [None, None, 60_000]
    store.close()


def watched(store, source, *steps, refuses=None):
    """What a pull says of its source before it has the lease, after each step, and when it has lost the lease again."""
    one = pulling(store, source, "one", [], refuses=refuses)

    async def story():
        said, stop = [one.status()], asyncio.Event()
        running = asyncio.create_task(one.run(stop))
        async with asyncio.timeout(30):
            for step in steps:
                while not step(one):  # noqa: ASYNC110 - what is waited for tells nobody
                    await asyncio.sleep(0.002)
                said.append(one.status())
        stop.set()
        await running
        return [*said, one.status()]

    return asyncio.run(story())


def is_read(one):
    return one.status() == PullStatus("prom")


def test_a_pull_says_how_its_source_is_only_while_it_reads_it_and_knows(tmp_path):
    store = open_store(str(tmp_path / "a.sqlite"))
    nothing_comes = Prometheus(rows=0)
    assert watched(store, nothing_comes, lambda _: nothing_comes.asked) == [None, None, None]
    assert watched(store, Prometheus(), is_read) == [None, PullStatus("prom"), None]
    store.close()


def test_a_source_that_fails_is_said_with_since_when_until_it_gives_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(pull, "AGAIN_S", 0.001)
    store = open_store(str(tmp_path / "a.sqlite"))
    source = Prometheus(refuses=True)

    def is_refused_twice(_):
        is_so = len(source.asked) > 2
        source.refuses = not is_so
        return is_so

    said = watched(store, source, is_refused_twice, is_read)
    assert said == [None, PullStatus("prom", (("prom", "401", 1000, False),)), PullStatus("prom"), None]
    store.close()


def test_a_server_that_is_gone_while_it_is_read_and_what_the_source_notes_by_itself_are_said(tmp_path):
    store = open_store(str(tmp_path / "a.sqlite"))
    source = Prometheus()

    def goes(_):
        source.health = SourceHealth(up=False, last_success_ms=400, last_error="no answer")
        source.noted.warn("queries to prom", "too many")
        source.table.refused = 3
        return True

    gone = ("prom", "no answer", 400, False)
    said = watched(store, source, is_read, goes)
    full = "limits.max_series is reached: new series were refused 3 times"
    warned = (("queries to prom", "too many", 1000, True), ("series of prom", full, 1000, True))
    assert said[2] == PullStatus("prom", (gone, *warned))
    store.close()


def test_what_kafka_does_not_take_is_no_fault_of_the_source(tmp_path, monkeypatch):
    monkeypatch.setattr(pull, "AGAIN_S", 0.001)
    store = open_store(str(tmp_path / "a.sqlite"))
    source, full = Prometheus(rows=1), [True] * 3
    said = watched(store, source, lambda _: not full, refuses=full)
    assert [one for one in said if one is not None and one.ill] == []
    store.close()
