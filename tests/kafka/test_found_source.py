"""What triage hears of detection, when its partition goes to another worker."""

from __future__ import annotations

import asyncio

from aiops.kafka.frames import Found, pack
from aiops.kafka.records import Record
from aiops.kafka.status import Cluster
from aiops.kafka.triage import FoundSource


async def bury(record, reason):
    raise AssertionError(f"{record.offset} could not be read: {reason}")


def record(offset):
    return Record("anomalies", 0, offset, 0, pack(Found(0, offset, history=False, anomalies=())), lambda: None)


def test_nobody_waits_for_room_in_what_was_given_up():
    """Were it so, this worker would decide no more although the partition has come back to it."""

    async def story():
        source = FoundSource(bury, Cluster(1, 10.0, 0), room=1)
        await source.take(record(0))
        waiting = asyncio.create_task(source.take(record(1)))
        await asyncio.sleep(0)
        assert not waiting.done()
        source.forget()
        async with asyncio.timeout(10):
            await waiting

    asyncio.run(story())
