"""What a worker that detects does when Kafka is away, and when a partition is taken from it."""

from __future__ import annotations

import asyncio

import pytest

from aiops import _wire_bytes
from aiops.errors import Overloaded
from aiops.kafka.frames import Found, pack
from aiops.stores.sqlite import open_sqlite
from tests.kafka._detecting import Detecting
from tests.kafka.test_accepted_levels import CART, rows
from tests.runners._world import TAUGHT
from tests.runners.test_accepted import ROWS


def said(told):
    return [(one.position, one.anomalies) for one in told if isinstance(one, Found)]


LIVE = [rows(first, first + 5) for first in range(TAUGHT, TAUGHT + ROWS, 5)]


async def taught(store):
    one = Detecting(store)
    await one.take(CART, *rows(0, TAUGHT))
    return one


async def undisturbed(store):
    one = await taught(store)
    for messages in LIVE:
        one.now_s += 5.0
        await one.take(CART, *messages)
    await one.worker.close()
    return said(one.told)


def test_what_no_broker_took_is_said_when_the_message_comes_again(store, tmp_path):
    async def story():
        one = await taught(store)
        for message in (pack(m) for messages in LIVE for m in messages):
            one.now_s += 5.0
            record = one.record(CART, message)
            one.is_away = True
            try:
                await one.worker.take(record)
            except Overloaded:
                one.is_away = False
                await one.worker.take(record)
            one.is_away = False
        await one.worker.close()
        return said(one.told), one.worker.counts["messages"]

    with_outages, messages = asyncio.run(story())
    other = open_sqlite(tmp_path / "b.sqlite")
    assert with_outages == asyncio.run(undisturbed(other))
    assert with_outages
    assert messages == len(rows(0, TAUGHT)) + sum(map(len, LIVE))
    other.close()


def test_a_partition_too_large_to_be_saved_is_scored_on_and_its_messages_are_kept(store, monkeypatch, caplog):
    """What a worker has not saved, another one must be able to read again."""

    async def story():
        one = Detecting(store, snapshot_s=5.0)
        await one.take(CART, *rows(0, TAUGHT))
        monkeypatch.setattr(_wire_bytes, "MAX_PLAIN_BYTES", 1_000)
        for messages in LIVE:
            one.now_s += 5.0
            await one.take(CART, *messages)
        assert said(one.told)
        assert (one.worker.counts["snapshots"], one.done) == (0, [])
        assert one.worker.snapshot_age_s() == {CART: 5.0 * len(LIVE)}
        monkeypatch.undo()
        one.now_s += 5.0
        await one.take(CART, None)
        assert (one.worker.counts["snapshots"], one.worker.snapshot_age_s()) == (1, {CART: 0.0})
        assert one.done
        await one.worker.close()

    asyncio.run(story())
    assert "snapshot not saved, tried again later" in caplog.text


def test_a_partition_that_is_taken_away_with_something_unsaid_is_not_saved_so_that_it_is_found_again(store):
    async def story():
        one = await taught(store)
        await one.take(CART, *LIVE[0])
        await one.worker.release(CART)
        before = store.snapshot(f"samples/{CART}")
        one.is_away = True
        one.now_s += 5.0
        (message,) = LIVE[1]
        with pytest.raises(Overloaded):
            await one.worker.take(one.record(CART, pack(message)))
        await one.worker.release(CART)
        return before, store.snapshot(f"samples/{CART}")

    before, after = asyncio.run(story())
    assert before is not None
    assert after == before


def test_a_message_that_waits_while_its_partition_is_taken_away_has_no_effect(store):
    async def story():
        one = await taught(store)
        (owned,) = one.worker._owned.values()
        messages = one.worker.counts["messages"]
        async with owned.busy:
            taking = asyncio.create_task(one.take(CART, *LIVE[0]))
            await asyncio.sleep(0)
            releasing = asyncio.create_task(one.worker.release(CART))
            await asyncio.sleep(0)
        await asyncio.gather(releasing, taking)
        return one.worker.counts["messages"] - messages, one.worker.partitions

    assert asyncio.run(story()) == (0, {})
