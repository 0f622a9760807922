"""Where detection says what it has found and what it was asked for."""

import asyncio
from types import SimpleNamespace

from aiops._worker_roles import outlets
from aiops.kafka.topics import ONLY_PARTITION, Topics


def test_anomalies_and_answers_stay_in_one_partition_however_many_there_are():
    """By their key they would go into partitions that were added, and nobody would hear them."""
    put = []

    class Producer:
        async def put(self, topic, data, *, key=b"", partition=None):
            put.append((topic, data, key, partition))

    async def bury(record, reason):
        raise AssertionError((record, reason))

    found = outlets(SimpleNamespace(producer=Producer(), topics=Topics("t."), bury=bury))
    asyncio.run(found.found(b"a", b"1"))
    asyncio.run(found.answers(b"b", b"2"))
    assert put == [("t.anomalies", b"1", b"a", ONLY_PARTITION), ("t.answers", b"2", b"b", ONLY_PARTITION)]
