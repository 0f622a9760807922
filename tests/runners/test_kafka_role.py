"""What a role does with messages around a rebalance, and when its consumers fail; no Kafka."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from aiops.errors import Overloaded, StoreError, Unavailable

pytest.importorskip("faust")

from faust.types import TP

from aiops.runners.kafka import Connection, Reading, Role


def event(offset):
    message = SimpleNamespace(value=b"x", timestamp=1.0, headers={}, partition=0, offset=offset)
    return SimpleNamespace(message=message, ack=lambda: None)


def role(take):
    reading = Reading("samples", take)
    return Role("test", Connection("127.0.0.1:1"), reading, again_s=0.0, leave_s=0.05), reading


def test_a_message_is_tried_again_until_the_store_is_back():
    async def story():
        tries = []

        async def take(record):
            tries.append(record.offset)
            if len(tries) < 3:
                raise StoreError("away")

        one, reading = role(take)
        await one._taken(reading, event(5))
        return tries

    assert asyncio.run(story()) == [5, 5, 5]


def test_a_message_that_waits_is_left_once_partitions_are_shared_out_anew_because_it_comes_again_after_earlier_ones():
    async def story():
        tries = []

        async def take(record):
            tries.append(record.offset)
            await one._revoked(one, {TP("samples", 0)})
            raise Overloaded("no broker")

        one, reading = role(take)
        await one._taken(reading, event(5))
        return tries

    assert asyncio.run(story()) == [5]


def test_a_worker_whose_consumers_have_failed_does_not_go_on_as_if_it_read():
    async def story():
        async def take(record):
            """Nothing."""

        one, _ = role(take)
        await one._app.crash(ValueError("no such thing"))
        await one.watched(asyncio.Event())

    with pytest.raises(Unavailable, match="no such thing"):
        asyncio.run(story())


def test_a_consumer_that_does_not_come_to_an_end_does_not_hold_up_the_end_of_the_worker(monkeypatch, caplog):
    """Its thread may have died while it closed; nobody wakes who waits for it."""

    async def story():
        async def take(record):
            """Nothing."""

        one, _ = role(take)
        cut = []

        async def never():
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cut.append(True)
                raise

        monkeypatch.setattr(one._app, "stop", never)
        await asyncio.wait_for(one.stop(), 10)
        return cut

    assert asyncio.run(story()) == [True]
    assert any("without a goodbye" in line for line in caplog.messages)
