"""The worker that decides, without Kafka: what it hears of other workers becomes its health."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np

from aiops import config
from aiops._deciding import Deciding
from aiops.building.kafka import Parts
from aiops.kafka.deliver import Publisher
from aiops.kafka.frames import Answer, Found, pack, unpack
from aiops.kafka.pasts import RemotePasts
from aiops.kafka.records import Record
from aiops.kafka.status import Status
from aiops.model import Notification
from aiops.self_watch import SelfWatch
from aiops.stores import Cycle
from aiops.telemetry import Health, Telemetry
from tests.runners._world import Wall, eventually
from tests.triage._told import anomaly

PARTITIONS = 2


async def nothing(*_):
    """Nobody is told."""


class Cluster:
    """Deciding over a store, with a clock that is moved by hand."""

    def __init__(self, store, folder, ask=nothing):
        self.wall, self.offset = Wall(), 0
        settings = config.parse(
            "{kafka: {bootstrap: 'k:9092', partitions: 2}, store: {url: 'postgresql://not/opened'},"
            " notifiers: [{kind: console}], graph: {refresh_s: 1}}",
            where="test",
            environment={},
            beside=folder,
        )
        self.parts = Parts(settings, store, folder, Health(self.wall), Telemetry(), self.wall, lambda: 0.0)
        self.pasts = pasts = RemotePasts(PARTITIONS, ask, 0.05)
        self.deciding = Deciding(
            self.parts, "one", pasts, lambda: Publisher(store, PARTITIONS, nothing, ("console",)), nothing
        )
        self.stop = asyncio.Event()

    async def say(self, *statuses):
        for status in statuses:
            offset, self.offset = self.offset, self.offset + 1
            at_ms = self.parts.wall_ms()
            await self.deciding.take(Record("anomalies", 0, offset, at_ms, pack(status), lambda: None, {}))

    async def end(self, task):
        self.stop.set()
        await task


def whole(*detects):
    from aiops.kafka.status import PartitionStatus

    owned = tuple(PartitionStatus(n, 1.0, ()) for n in detects)
    return Status("w", ("gateway", "detect", "triage", "deliver"), owned, delivers=(0, 1))


def test_a_partition_without_an_owner_is_in_the_health_of_whoever_decides_until_it_is_not(store, tmp_path):
    async def story():
        one = Cluster(store, tmp_path)
        await one.deciding.assigned([0])
        running = asyncio.create_task(one.deciding.run(one.stop))
        await one.say(whole(0, 1))
        one.wall.move(60.0)
        await one.say(whole(0))
        await eventually(lambda: one.deciding.health.condition("role detect"))
        (reason,) = [line for line in one.deciding.health.reasons() if line.startswith("role detect")]
        assert "no worker has partition 1 for 1 min: what is in there is not watched" in reason
        assert one.parts.health.condition("role detect") is None, "it is not this worker that is ill"
        await one.say(whole(0, 1))
        await eventually(lambda: one.deciding.health.condition("role detect").ok)
        await one.deciding.revoked([0])
        assert one.deciding.health.conditions() == {}, "whoever does not decide has nothing to say of the cluster"
        await one.end(running)

    asyncio.run(story())


def test_what_the_last_one_has_told_of_is_not_taken_back_before_everybody_has_spoken(store, tmp_path):
    wall_ms = round(Wall()() * 1000)
    watch = SelfWatch(("console",))
    ill = Health(Wall())
    ill.bad("role detect", "no worker has partition 1", since_ms=wall_ms - 100_000)
    notes: list[Notification] = watch.step(ill.conditions(), wall_ms)
    store.commit(Cycle([notes[0].incident], notes))

    async def story():
        one = Cluster(store, tmp_path)
        await one.deciding.assigned([0])
        running = asyncio.create_task(one.deciding.run(one.stop))
        condition = one.deciding.health.condition("role detect")
        assert (condition.ok, condition.reason) == (False, "no worker has partition 1")
        await one.say(whole(0, 1))
        await asyncio.sleep(1.2)  # at least one look
        assert not one.deciding.health.condition("role detect").ok
        one.wall.move(41.0)
        await one.say(whole(0, 1))
        await eventually(lambda: one.deciding.health.condition("role detect").ok)
        await one.end(running)

    asyncio.run(story())


def test_an_incident_that_was_ranked_without_a_partition_is_ranked_again_once_that_one_speaks(store, tmp_path):
    asked = []

    async def ask(partition, data):
        asked.append((partition, unpack(data)))

    async def story():
        one = Cluster(store, tmp_path, ask)
        await one.deciding.assigned([0])
        running = asyncio.create_task(one.deciding.run(one.stop, look_s=0.01))
        now_ms = one.parts.wall_ms()
        found = replace(anomaly("a1"), started_ms=now_ms, updated_ms=now_ms)
        await one.say(Found(0, now_ms, False, (found,)))
        await eventually(one.deciding._runner.pipeline.triage.incidents)
        await one.say(Found(0, now_ms + 31_000, False, ()))
        await eventually(lambda: len(asked) == 2 and one.pasts._partial)
        one.pasts.take(Answer(asked[0][1].id, 1, 0.0, (), np.zeros(0, np.int64), np.zeros((0, 0))))
        await eventually(lambda: not one.pasts._partial)
        await one.say(Found(0, now_ms + 62_000, False, ()))
        await eventually(lambda: len(asked) == 4)
        await one.end(running)

    asyncio.run(story())
