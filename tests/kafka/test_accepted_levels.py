"""Levels that workers accept after a change: listed and taken back through any worker."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from aiops.errors import Overloaded, StoreError
from aiops.kafka.backend import KafkaBackend
from aiops.kafka.frames import unpack
from aiops.kafka.split import SplitRows
from aiops.kafka.topics import Topics, partition_of
from aiops.model import Block, SeriesKey
from aiops.sources import Batch
from aiops.sources._pushed_samples import WriteLimits
from aiops.stores.workers import accepted_levels
from aiops.telemetry import Health, Telemetry
from tests.kafka._detecting import PARTITIONS, Detecting
from tests.runners._world import STEP_MS, TAUGHT, row_ms
from tests.runners.test_accepted import CPU, DEPLOY, ROWS, Cpu

CART = partition_of("cart", PARTITIONS)


def rows(first: int, end: int):
    """Messages with these rows of the series whose level shifts after the deploy."""
    source = Cpu()
    source.table.add(SeriesKey("cpu_cores", "cart"), CPU)
    times = row_ms(first) + STEP_MS * np.arange(end - first)
    block = Block(times, np.array([0], np.int32), source.values[first:end])
    batch = Batch(int(times[-1]), (block,), history=end == TAUGHT)
    return [message for partition, message in SplitRows(source, PARTITIONS, 1e9).split(batch) if partition == CART]


class Puts:
    """What is put into topics; refused while `is_away`."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, int | None, bytes]] = []
        self.is_away = False

    async def put(self, topic, data, *, partition=None, key=None):  # noqa: ARG002 - as a producer is called
        if self.is_away:
            raise Overloaded("no broker")
        self.taken.append((topic, partition, data))


def backend_of(detecting: Detecting, puts: Puts) -> KafkaBackend:
    made = (Telemetry(), Health(), puts, Topics(), PARTITIONS, WriteLimits(), lambda: None)
    return KafkaBackend(detecting.store, *made)


async def accepted(store) -> Detecting:
    """A worker that has seen the deploy, the shift, and the level come to rest."""
    one = Detecting(store)
    await one.take(CART, *rows(0, TAUGHT), DEPLOY, *rows(TAUGHT, TAUGHT + ROWS))
    return one


def test_an_accepted_level_is_listed_by_every_worker_and_undone_in_its_partition(store):
    async def story():
        one, puts = await accepted(store), Puts()
        backend = backend_of(one, puts)
        (level,) = backend.accepted()
        assert (level.series.service, level.accepted_ms) == ("cart", row_ms(TAUGHT + 10 + 60))
        assert await backend.undo(level.id)
        ((topic, partition, data),) = puts.taken
        assert (topic, partition) == ("aiops.samples", CART)
        await one.take(CART, unpack(data))
        assert backend.accepted()[0].undone_ms is not None
        assert not await backend.undo(level.id), "once"
        assert not await backend.undo("nothing")
        assert len(puts.taken) == 1
        await one.worker.close()

    asyncio.run(story())


def test_an_undo_that_kafka_does_not_take_is_asked_for_again(store):
    async def story():
        one, puts = await accepted(store), Puts()
        puts.is_away = True
        backend = backend_of(one, puts)
        with pytest.raises(Overloaded):
            await backend.undo(backend.accepted()[0].id)
        await one.worker.close()

    asyncio.run(story())


def test_who_reads_again_from_before_does_not_bring_back_what_was_undone(store):
    """The store knows of the undo at offset 5; a worker that takes up an older snapshot has not come so far yet."""

    async def story():
        first = Detecting(store)
        await first.take(CART, *rows(0, TAUGHT), DEPLOY, *rows(TAUGHT, TAUGHT + ROWS))
        (level,) = accepted_levels(first.store)[CART]
        await first.take(CART, level.id)
        undone = accepted_levels(first.store)[CART]
        second = Detecting(store)
        await second.take(CART, *rows(0, TAUGHT), DEPLOY, *rows(TAUGHT, TAUGHT + ROWS))
        assert second.worker.partitions[CART].accepted[0].undone_ms is None
        assert accepted_levels(first.store)[CART] == undone
        await second.take(CART, level.id)
        assert accepted_levels(first.store)[CART] == undone
        await first.worker.close()
        await second.worker.close()

    asyncio.run(story())


def test_levels_a_store_that_is_away_did_not_take_are_kept_with_the_next_message(store, monkeypatch):
    async def story():
        one = Detecting(store)
        await one.take(CART, *rows(0, TAUGHT), DEPLOY)

        def away(*_):
            raise StoreError("away")

        snapshots = type(one.worker._store)
        with monkeypatch.context() as patch:
            patch.setattr(snapshots, "keep_newer", away)
            await one.take(CART, *rows(TAUGHT, TAUGHT + ROWS))
        assert accepted_levels(one.store) == {}
        await one.take(CART, None)
        assert len(accepted_levels(one.store)[CART]) == 1
        await one.worker.close()

    asyncio.run(story())
