"""Topics are made at the start of a worker, also while one of several brokers is away."""

import asyncio
from types import SimpleNamespace

import aiokafka.admin
import pytest
from aiokafka.errors import NodeNotReadyError, TopicAuthorizationFailedError

from aiops.errors import ConfigError, Unavailable
from aiops.kafka import topics
from aiops.kafka.topics import Topics, TopicSettings, make_topics

ALL = [getattr(Topics(), name) for name in ("samples", "events", "anomalies", "answers", "notifications")]


class Admin:
    """Answers like the client for brokers of which some are away; each call asks one of them."""

    away = 0
    there: tuple[str, ...] = ()
    code = 0

    def __init__(self, **_):
        self.asked = []

    async def start(self):
        pass

    async def close(self):
        pass

    async def list_topics(self):
        if Admin.away:
            Admin.away -= 1
            raise NodeNotReadyError("Attempt to send a request to node which is not ready (node id 2).")
        return list(Admin.there)

    async def create_topics(self, wanted):
        assert wanted, "asks the controller for nothing"
        return SimpleNamespace(topic_errors=[(one.name, Admin.code, "because") for one in wanted])


@pytest.fixture(autouse=True)
def brokers(monkeypatch):
    monkeypatch.setattr(aiokafka.admin, "AIOKafkaAdminClient", Admin)
    monkeypatch.setattr(topics, "AGAIN_S", 0.0)
    for name, value in (("away", 0), ("there", ()), ("code", 0)):
        monkeypatch.setattr(Admin, name, value)


def test_a_broker_that_is_away_is_not_the_end_of_a_worker(caplog):
    Admin.away = 3
    assert asyncio.run(make_topics("one:9092,two:9092", TopicSettings())) == Topics()
    assert sum("asking again" in line for line in caplog.messages) == 3


def test_when_no_broker_answers_for_long_it_says_so(monkeypatch):
    Admin.away = 10**9
    monkeypatch.setattr(topics, "PATIENCE_S", 0.0)
    with pytest.raises(Unavailable, match="one:9092: NodeNotReadyError"):
        asyncio.run(make_topics("one:9092", TopicSettings()))


def test_what_time_does_not_mend_is_said_at_once(monkeypatch, caplog):
    async def refuse(self):
        raise TopicAuthorizationFailedError("aiops.samples")

    monkeypatch.setattr(Admin, "list_topics", refuse)
    with pytest.raises(Unavailable, match="TopicAuthorizationFailedError"):
        asyncio.run(make_topics("one:9092", TopicSettings()))
    assert not caplog.messages


def test_topics_that_are_all_there_are_left_alone():
    Admin.there = (*ALL, Topics().dead_letters)
    assert asyncio.run(make_topics("one:9092", TopicSettings())) == Topics()


@pytest.mark.parametrize(("code", "is_fine"), [(0, True), (36, True), (38, False)])
def test_a_topic_that_cannot_be_made_is_named_unless_another_worker_made_it(code, is_fine):
    Admin.code = code
    if is_fine:
        assert asyncio.run(make_topics("one:9092", TopicSettings())) == Topics()
    else:
        with pytest.raises(ConfigError, match=r"aiops\.samples cannot be made: because"):
            asyncio.run(make_topics("one:9092", TopicSettings()))
