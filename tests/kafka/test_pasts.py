"""What a ranking is shown of rows that are elsewhere: who is asked, waited for, and asked again; no Kafka."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np

from aiops.errors import Overloaded
from aiops.kafka import pasts as module
from aiops.kafka.frames import Answer, unpack
from aiops.kafka.pasts import RemotePasts
from aiops.model import Incident, SeriesKey, Signal
from rca import ServiceGraph

NOW_MS = 1_700_000_000_000
LATENCY = Signal("latency_p95", "latency", "s")
INCIDENT = Incident("i1", "open", "", "warning", NOW_MS, NOW_MS)


def answer_of(question, partition, step_s=60.0):
    columns = ((SeriesKey("latency_p95", f"s{partition}"), LATENCY),)
    return Answer(question.id, partition, step_s, columns, np.array([NOW_MS]), np.array([[1.0]]))


class Detectors:
    """Two partitions that answer at once unless they are `away`; their questions are kept."""

    def __init__(self, *away, timeout_s=0.05):
        self.away, self.asked, self.refuses = set(away), [], 0
        self.pasts = RemotePasts(2, self.ask, timeout_s)

    async def ask(self, partition, data):
        if self.refuses:
            self.refuses -= 1
            raise Overloaded("no broker")
        question = unpack(data)
        self.asked.append((partition, question))
        if partition not in self.away:
            self.pasts.take(answer_of(question, partition))

    async def services(self, incident=INCIDENT):
        """Whose rows a ranking of the incident is shown."""
        found = await self.pasts.of(incident, ServiceGraph(), NOW_MS)
        return [key.service for past in found for key, _ in past.table.items()]

    def comes_back(self, partition):
        """It reads on from before the first question that it let pass."""
        self.away.discard(partition)
        for number, question in list(self.asked):
            if number == partition:
                self.pasts.take(answer_of(question, partition))


def test_all_partitions_are_shown_and_nothing_is_to_be_ranked_again():
    detectors = Detectors()
    assert asyncio.run(detectors.services()) == ["s0", "s1"]
    assert detectors.pasts.to_rank_again() == []


def test_what_was_ranked_without_a_partition_is_to_be_ranked_again_once_it_speaks():
    async def story():
        detectors = Detectors(1)
        assert await detectors.services() == ["s0"]
        detectors.pasts.take(answer_of(detectors.asked[0][1], 0))
        assert detectors.pasts.to_rank_again() == [], "the other one tells nothing of it"
        detectors.comes_back(1)
        assert (detectors.pasts.to_rank_again(), detectors.pasts.to_rank_again()) == (["i1"], [])
        assert await detectors.services() == ["s0", "s1"]
        detectors.comes_back(1)
        assert detectors.pasts.to_rank_again() == [], "it was whole this time"

    asyncio.run(story())


def test_a_partition_that_let_a_question_pass_is_not_waited_for_until_it_speaks():
    async def story():
        detectors = Detectors(1)
        await detectors.services()
        detectors.pasts._timeout_s = 30.0
        other = replace(INCIDENT, id="i2")
        async with asyncio.timeout(5):
            assert await detectors.services(other) == ["s0"]
        assert [number for number, _ in detectors.asked] == [0, 1, 0, 1], "it is asked all the same"
        detectors.comes_back(1)
        assert detectors.pasts.to_rank_again() == ["i1", "i2"]
        detectors.away.add(1)
        waits = asyncio.create_task(detectors.services())
        await asyncio.sleep(0.01)
        assert not waits.done()
        detectors.comes_back(1)
        assert await waits == ["s0", "s1"]

    asyncio.run(story())


def test_nobody_is_waited_for_when_all_let_a_question_pass():
    async def story():
        detectors = Detectors(0, 1)
        assert await detectors.services() == []
        detectors.pasts._timeout_s = 30.0
        async with asyncio.timeout(5):
            assert await detectors.services() == []

    asyncio.run(story())


def test_a_question_that_no_broker_takes_is_put_again(monkeypatch):
    monkeypatch.setattr(module, "AGAIN_S", 0.001)
    detectors = Detectors(timeout_s=30.0)
    detectors.refuses = 3
    assert asyncio.run(detectors.services()) == ["s0", "s1"]
    assert [number for number, _ in sorted(detectors.asked, key=lambda one: one[0])] == [0, 1]


def test_a_partition_with_two_sources_is_waited_for_until_both_have_come_and_the_same_counts_once():
    async def story():
        detectors = Detectors(1, timeout_s=30.0)
        waits = asyncio.create_task(detectors.services())
        while len(detectors.asked) < 2:  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0)
        first = replace(answer_of(detectors.asked[0][1], 1), count=2)
        for _ in range(2):
            detectors.pasts.take(first)
        await asyncio.sleep(0.01)
        assert not waits.done()
        detectors.pasts.take(replace(first, number=1, step_s=15.0))
        return await waits

    assert asyncio.run(story()) == ["s0", "s1", "s1"]


def test_only_so_many_incidents_are_remembered(monkeypatch):
    monkeypatch.setattr(module, "MOST_PARTIAL", 2)

    async def story():
        detectors = Detectors(1, timeout_s=0.01)
        for name in ("a", "b", "c"):
            await detectors.services(replace(INCIDENT, id=name))
        detectors.comes_back(1)
        return detectors.pasts.to_rank_again()

    assert asyncio.run(story()) == ["b", "c"]
