"""Who decides, when Kafka shares the anomalies out: one worker, also when the store is away just then."""

from __future__ import annotations

import asyncio

from aiops import config
from aiops._deciding import Deciding
from aiops.building.kafka import Parts
from aiops.errors import StoreError
from aiops.kafka.deliver import Publisher
from aiops.kafka.pasts import RemotePasts
from aiops.kafka.topics import ONLY_PARTITION
from aiops.stores import Cycle
from aiops.telemetry import Health, Telemetry
from aiops.triage import Triage
from rca import ServiceGraph
from tests.runners._world import Wall, eventually


async def nothing(*_):
    """Nobody hears of it."""


def deciding_over(store, folder):
    wall = Wall()
    settings = config.parse(
        "{kafka: {bootstrap: 'k:9092'}, store: {url: 'postgresql://not/opened'}, notifiers: [{kind: console}]}",
        where="test",
        environment={},
        beside=folder,
    )
    parts = Parts(settings, store, folder, Health(wall), Telemetry(), wall, lambda: 0.0)
    publisher = Publisher(store, 1, nothing, ("console",))
    return Deciding(parts, "one", RemotePasts(1, nothing, 1.0), lambda: publisher, nothing)


class Away:
    """A store that cannot do something the first `times` times."""

    def __init__(self, monkeypatch, owner, name, times):
        self.left, self.real = times, getattr(owner, name)
        monkeypatch.setattr(owner, name, self)

    def __call__(self, *arguments):
        if self.left:
            self.left -= 1
            raise StoreError("the database is starting up")
        return self.real(*arguments)


async def decided(deciding, away):
    """It is given the anomalies, begins at last, and ends when told; whether triage went on until then."""
    stop = asyncio.Event()
    await deciding.assigned([ONLY_PARTITION])
    running = asyncio.create_task(deciding.run(stop, look_s=0.001))
    await eventually(lambda: not away.left and deciding.is_deciding)
    for _ in range(20):
        await asyncio.sleep(0.001)
    went_on = deciding.is_deciding
    stop.set()
    await running
    return went_on, deciding.is_deciding


def test_it_is_taken_up_once_the_store_is_back(store, tmp_path, monkeypatch):
    deciding = deciding_over(store, tmp_path)
    away = Away(monkeypatch, deciding._leases, "seize", 2)
    assert asyncio.run(decided(deciding, away)) == (True, False)


def test_it_begins_anew_when_what_was_saved_could_not_be_read(store, tmp_path, monkeypatch):
    away = Away(monkeypatch, store.database, "rows", 3)
    assert asyncio.run(decided(deciding_over(store, tmp_path), away)) == (True, False)


def test_whoever_has_only_partitions_that_were_added_decides_nothing(store, tmp_path):
    async def story():
        deciding = deciding_over(store, tmp_path)
        await deciding.assigned([ONLY_PARTITION + 1, ONLY_PARTITION + 2])
        return deciding.is_deciding

    assert not asyncio.run(story())


def test_calls_that_the_last_worker_had_heard_of_are_known_at_once(store, tmp_path):
    """Partitions say them once a minute; without them several incidents would become one."""
    graph = ServiceGraph()
    graph.add("cart", "db", seen_ms=5)
    triage = Triage()
    triage.graph = graph
    store.commit(Cycle(states={"triage": triage.snapshot()}))

    async def story():
        deciding = deciding_over(store, tmp_path)
        await deciding.assigned([ONLY_PARTITION])
        known = dict(deciding._source.edges)
        await deciding.revoked([ONLY_PARTITION])
        return known

    assert asyncio.run(story()) == {("cart", "db"): 5}
