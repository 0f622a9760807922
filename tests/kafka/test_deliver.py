"""How notifications are made known to those who deliver, and how a worker delivers, over a store of one file."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from aiops.errors import Overloaded, StoreError
from aiops.kafka.deliver import LOOK_EVERY_S, STORE_S, DeliverWorker, Publisher
from aiops.model import Incident, Notification
from aiops.stores import Cycle
from aiops.stores.workers import notification_partition
from aiops.wire import decode

INCIDENT = Incident("i1", "open", "cart: slow", "warning", 1000, 1000, 1000, services=("cart",))
NOTES = [Notification(f"k-{i}", replace(INCIDENT, id=f"i{i}"), "pager", "opened", 1) for i in range(3)]


@pytest.fixture
def store(store):
    store.commit(Cycle(notifications=NOTES))
    return store


class Topic:
    """Takes `room` messages, then none until there is more."""

    def __init__(self, room):
        self.room, self.taken = room, []

    async def put(self, partition, key, data):
        if not self.room:
            raise Overloaded("no broker")
        self.room -= 1
        self.taken.append((partition, key, decode(data, Notification).key))


def test_what_is_in_the_outbox_is_announced_once_and_in_order_however_often_kafka_is_away(store):
    async def story():
        topic = Topic(room=1)
        publisher = Publisher(store, 4, topic.put)
        waits = [await publisher.run_once(0)]
        topic.room = 5
        waits += [await publisher.run_once(0), await publisher.run_once(0)]
        return topic.taken, waits

    taken, waits = asyncio.run(story())
    assert taken == [(notification_partition(n.incident.id, 4), n.incident.id.encode(), n.key) for n in NOTES]
    assert waits == [STORE_S, LOOK_EVERY_S, LOOK_EVERY_S]


def test_nobody_has_what_was_only_announced(store):
    async def story():
        topic = Topic(room=1)
        publisher = Publisher(store, 4, topic.put)
        return [await publisher.send_directly(NOTES[0]), await publisher.send_directly(NOTES[1])], len(topic.taken)

    assert asyncio.run(story()) == ([False, False], 1)


class Delivering:
    """In the place of a `Delivery`: sends nothing, and cannot reach the store the first time."""

    def __init__(self):
        self.calls = []
        self.called = asyncio.Event()

    async def run_once(self, now_ms):
        self.calls.append(now_ms)
        self.called.set()
        if len(self.calls) == 1:
            raise StoreError("away")
        return 30.0

    async def close(self):
        self.calls.append("closed")


def test_a_worker_delivers_when_it_is_woken_and_ends_at_once_whatever_it_waits_for():
    async def story():
        delivery, stop = Delivering(), asyncio.Event()
        worker = DeliverWorker(delivery, lambda: 7, {1})
        running = asyncio.create_task(worker.run(stop))
        for _ in range(3):
            await delivery.called.wait()
            delivery.called.clear()
            worker.wake()
        await delivery.called.wait()
        stop.set()
        async with asyncio.timeout(LOOK_EVERY_S / 2):
            await running
        await worker.close()
        return delivery.calls

    assert asyncio.run(story()) == [7, 7, 7, 7, "closed"]


def test_a_worker_without_partitions_leaves_the_outbox_alone():
    async def story():
        delivery, stop = Delivering(), asyncio.Event()
        worker = DeliverWorker(delivery, lambda: 7, set())
        running = asyncio.create_task(worker.run(stop))
        await asyncio.sleep(0)
        worker.wake()
        await asyncio.sleep(0)
        stop.set()
        await running
        return delivery.calls

    assert asyncio.run(story()) == []
