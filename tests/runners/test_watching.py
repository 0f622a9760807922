"""What is said about ourselves gets out, whatever works."""

from __future__ import annotations

import asyncio
import random

import pytest

from aiops.delivery import Delivery
from aiops.errors import Retry, StoreError, Unavailable
from aiops.notifiers import Receipt
from aiops.runners._watching import Watching
from aiops.self_watch import is_ours, part_of
from aiops.stores.sqlite import open_sqlite
from aiops.telemetry import Health, Telemetry
from tests.runners._world import Feed, World, saved_incidents

T0 = 1_700_000_000_000


class Receiver:
    def __init__(self):
        self.heard = []
        self.fault = None

    async def send(self, note):
        if self.fault:
            raise self.fault
        self.heard.append(note.key.split(":")[1])
        return Receipt()

    async def close(self):
        """Nothing to let go of."""


class Full:
    """A store that is full as long as `is_full`."""

    def __init__(self, store):
        self.store, self.is_full = store, False

    def commit(self, cycle):
        if self.is_full:
            raise StoreError("the disk is full")
        self.store.commit(cycle)

    def __getattr__(self, name):
        return getattr(self.store, name)


class Bench:
    def __init__(self, path):
        self.now_ms = T0
        self.store = Full(open_sqlite(path))
        self.chat, self.mail = Receiver(), Receiver()
        self.health, self.telemetry = Health(lambda: self.now_ms / 1000), Telemetry()
        clock = lambda: self.now_ms
        self.delivery = Delivery(self.store, {"chat": self.chat, "mail": self.mail}, clock, random.Random(1))
        self.filled = asyncio.Event()
        self.start()

    def start(self):
        self.watching = Watching(self.store, self.delivery, self.health, self.telemetry, self.filled)

    async def after(self, seconds):
        self.now_ms += seconds * 1000
        await self.watching.look(self.now_ms, {"prom": 15.0})


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path / "a.sqlite")
    yield made
    made.store.close()


def test_it_is_saved_and_put_into_the_outbox_of_everybody(bench):
    async def story():
        bench.health.bad("prom", "does not answer")
        await bench.after(37)
        assert not bench.filled.is_set()
        await bench.after(1)
        assert bench.filled.is_set()
        await bench.delivery.run_once(bench.now_ms)
        assert (bench.chat.heard, bench.mail.heard) == (["opened"], ["opened"])
        (incident,) = bench.store.incidents(service="aiops")
        assert (incident.status, is_ours(incident)) == ("open", True)
        bench.health.good("prom")
        await bench.after(15)
        await bench.delivery.run_once(bench.now_ms)
        assert bench.chat.heard == ["opened", "resolved"]
        assert bench.store.incidents()[0].status == "resolved"
        assert b'incidents_total{status="open"} 1' in bench.telemetry.render()

    asyncio.run(story())


def test_with_a_full_store_everybody_who_can_be_reached_is_told_once_and_the_rest_when_there_is_room(bench):
    async def story():
        bench.store.is_full = True
        bench.mail.fault = Retry("HTTP 500")
        bench.health.bad("store", "the disk is full")
        await bench.after(75)
        await bench.after(75)
        assert bench.chat.heard == ["opened"]
        bench.store.is_full = False
        bench.mail.fault = None
        await bench.after(1)
        await bench.delivery.run_once(bench.now_ms)
        assert (bench.chat.heard, bench.mail.heard) == (["opened"], ["opened"])
        bench.health.good("store")
        await bench.after(30)
        await bench.delivery.run_once(bench.now_ms)
        assert (bench.chat.heard, bench.mail.heard) == (["opened", "resolved"],) * 2

    asyncio.run(story())


def test_after_a_restart_it_is_not_told_twice_and_still_ends(bench):
    async def story():
        bench.health.bad("prom", "does not answer")
        await bench.after(40)
        bench.start()
        await bench.after(40)
        assert len(bench.store.incidents()) == 1
        bench.health.good("prom")
        await bench.after(20)
        await bench.delivery.run_once(bench.now_ms)
        assert bench.chat.heard == ["opened", "resolved"]

    asyncio.run(story())


def test_a_source_that_stays_away_is_an_incident_of_the_running_service(tmp_path):
    """The clock moves on while the source fails again and again."""
    world = World(tmp_path / "a.sqlite", [Feed(faults=[Unavailable("connection refused")] * 100_000)])

    def is_told():
        world.wall.move(1)
        return any(part_of(n.incident) == "shop" for n in world.pager.heard)

    world.run(until=is_told)
    titles = {i.title for i in saved_incidents(world.path) if part_of(i) == "shop"}
    assert titles == {"aiops does not see everything: shop: connection refused"}
