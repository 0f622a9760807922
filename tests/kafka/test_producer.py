"""Putting messages into Kafka: what is not known to be there is told as such."""

from __future__ import annotations

import asyncio
import ssl

import pytest

pytest.importorskip("aiokafka")

from aiokafka.errors import RequestTimedOutError

from aiops.errors import Overloaded, Unavailable
from aiops.kafka.producer import Producer, security_of
from tests.services._aiops_process import free_port


def producer(client=None, timeout_s=10.0):
    one = Producer(f"127.0.0.1:{free_port()}", clock=lambda: 12.5, timeout_s=timeout_s)
    one._client = client
    return one


class Client:
    """In the place of aiokafka's."""

    def __init__(self, fault=None, *, hangs=False):
        self.fault, self.hangs, self.sent, self.is_stopped = fault, hangs, [], False

    async def send_and_wait(self, topic, data, **more):
        if self.hangs:
            await asyncio.Event().wait()
        if self.fault is not None:
            raise self.fault
        self.sent.append((topic, data, more))

    async def stop(self):
        self.is_stopped = True


def test_a_message_carries_our_time_unless_it_has_its_own():
    async def story():
        client = Client()
        one = producer(client)
        await one.put("t", b"x", partition=3, key=b"k")
        await one.put("t", b"y", time_ms=7, headers=[("a", b"b")])
        await one.stop()
        return client

    client = asyncio.run(story())
    assert client.sent == [
        ("t", b"x", {"key": b"k", "partition": 3, "timestamp_ms": 12_500, "headers": []}),
        ("t", b"y", {"key": None, "partition": None, "timestamp_ms": 7, "headers": [("a", b"b")]}),
    ]
    assert client.is_stopped


@pytest.mark.parametrize("client", [None, Client(RequestTimedOutError()), Client(hangs=True)])
def test_what_kafka_has_not_taken_is_to_be_sent_again(client):
    with pytest.raises(Overloaded):
        asyncio.run(producer(client, timeout_s=0.01).put("t", b"x"))


def test_it_does_not_start_without_a_broker():
    with pytest.raises(Unavailable, match="kafka at 127"):
        asyncio.run(producer().start())


def test_settings_become_arguments_of_the_client():
    plain = security_of(tls=False, ca_file=None, user="", password="", mechanism="PLAIN")
    assert plain == {"security_protocol": "PLAINTEXT"}
    both = security_of(tls=True, ca_file=None, user="u", password="p", mechanism="PLAIN")  # noqa: S106 - of nobody
    assert isinstance(both.pop("ssl_context"), ssl.SSLContext)
    assert both == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "PLAIN",
        "sasl_plain_username": "u",
        "sasl_plain_password": "p",
    }
