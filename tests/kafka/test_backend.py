"""The HTTP side of a worker: what it does with samples when Kafka does not take them, and what is another role's."""

from __future__ import annotations

import asyncio

import pytest

from aiops.errors import Overloaded
from aiops.kafka.backend import KafkaBackend
from aiops.kafka.topics import Topics
from aiops.sources._pushed_samples import WriteLimits
from aiops.telemetry import Health, Telemetry
from tests.sources._otlp_world import DELTA, PROTOBUF, T_NS, S, request, total


class Gateway:
    """Notes the samples it is offered; refuses while it is told to."""

    def __init__(self):
        self.is_away, self.values = False, []

    async def offer(self, samples):
        await asyncio.sleep(0)
        if self.is_away:
            raise Overloaded("no broker")
        self.values.append(samples.values.tolist())


def backend(gateway=None, cluster=None):
    health = Health(lambda: 0.0)
    made = (Telemetry(), health, None, Topics(), 2, WriteLimits(), lambda: None)
    return KafkaBackend(None, *made, gateway, cluster)


def delta(number, value):
    one = total(value, T_NS + number * S, T_NS + (number - 1) * S, temporality=DELTA)
    return request(one).SerializeToString()


def test_an_otlp_delta_that_kafka_did_not_take_counts_once_when_the_sender_comes_again():
    async def story():
        gateway = Gateway()
        one = backend(gateway)
        await one.otlp_metrics(delta(1, 5), PROTOBUF)
        gateway.is_away = True
        for _ in range(2):
            with pytest.raises(Overloaded):
                await one.otlp_metrics(delta(2, 7), PROTOBUF)
        # Two under way at once, refused together as requests of one moment are.
        refused = await asyncio.gather(
            *(one.otlp_metrics(delta(n, 7), PROTOBUF) for n in (2, 3)), return_exceptions=True
        )
        assert [type(error) for error in refused] == [Overloaded, Overloaded]
        gateway.is_away = False
        for number, value in ((2, 7), (3, 7), (4, 1)):
            await one.otlp_metrics(delta(number, value), PROTOBUF)
        assert gateway.values == [[5], [12], [19], [20]]

    asyncio.run(story())


def test_samples_sent_to_a_worker_that_is_no_gateway_are_to_be_kept_and_the_role_is_named():
    one = backend()
    for sent in (one.write(b"", {}), one.otlp_metrics(delta(1, 5), PROTOBUF)):
        with pytest.raises(Overloaded, match="--role gateway"):
            asyncio.run(sent)


def test_a_worker_that_decides_is_as_ready_as_the_cluster():
    cluster = Health(lambda: 0.0)
    one = backend(cluster=cluster)
    assert (one.ready(), one.warnings()) == ([], [])
    cluster.bad("role detect", "no worker has partition 1")
    cluster.warn("samples of cart", "none")
    one.health.bad("kafka", "away")
    assert [line.partition(":")[0] for line in one.ready()] == ["kafka", "role detect"]
    assert [line.partition(":")[0] for line in one.warnings()] == ["samples of cart"]
