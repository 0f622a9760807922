"""Records as others put them into topics, one good and one poisoned of each format; and what is in a topic."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field

from aiops.demo.encode import encode
from tests.sources._otlp_world import T_NS, S, gauge, request

SERVICE = "cart"


@dataclass(frozen=True)
class Record:
    data: bytes
    headers: list[tuple[str, bytes]] = field(default_factory=list)


@dataclass(frozen=True)
class Written:
    """What is put into a topic of others.

    Parameters
    ----------
    good : records that are taken; `samples` of them in all
    poison : a record that is not, and what is said of it
    """

    good: list[Record]
    poison: bytes
    reason: str
    samples: int = 0


def written(now_s: float) -> dict[str, Written]:
    """By format, of about that time."""
    return {
        "prometheus_json": Written(
            # The later one first: records have no order.
            [_adapted(now_s, 12), _adapted(now_s - 30, 10)],
            b'{"timestamp": "yesterday", "value": "1", "name": "up", "labels": {}}',
            "record: timestamp must be RFC 3339, got 'yesterday'",
            samples=2,
        ),
        "remote_write": Written(
            [Record(encode([(_labels("rw"), [(round(now_s * 1000) + ms, 5.0) for ms in (0, 1)])]))],
            b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            "the body is no WriteRequest: a field is longer than the message around it",
            samples=2,
        ),
        "otlp_proto": Written(
            [Record(request(gauge(3.0, T_NS + S, "http.server.active_requests")).SerializeToString())],
            b"\x0a\x05nope!",
            "the body is no ExportMetricsServiceRequest",
            samples=1,
        ),
        "cloudevents": Written([_deploy(now_s)], b"[1, 2", "body: not valid JSON"),
    }


def _labels(instance: str) -> tuple[tuple[str, str], ...]:
    return (("__name__", "http_server_active_requests"), ("instance", instance), ("job", SERVICE))


def _adapted(at_s: float, value: float) -> Record:
    from datetime import UTC, datetime

    told = datetime.fromtimestamp(int(at_s), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    labels = dict(_labels("adapter"))
    return Record(
        json.dumps({"timestamp": told, "value": str(value), "name": labels["__name__"], "labels": labels}).encode()
    )


def _deploy(at_s: float) -> Record:
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": "1",
        "ce_source": "/ci",
        "content-type": "application/json",
        "ce_type": "dev.cdevents.service.deployed.0.3.0",
    }
    data = {"context": {"version": "0.5.0"}, "subject": {"id": SERVICE, "type": "service", "content": {}}}
    headers = [(name, value.encode()) for name, value in attributes.items()]
    return Record(json.dumps(data).encode(), headers)


async def put(bootstrap: str, topic: str, *records: Record, partition: int | None = None) -> None:
    """Put records into a topic; they are there when this returns."""
    from aiokafka import AIOKafkaProducer

    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    for record in records:
        await producer.send_and_wait(topic, record.data, headers=record.headers, partition=partition)
    await producer.stop()


async def read(bootstrap: str, topic: str, count: int) -> list[tuple[str, bytes, str]]:
    """The first so many records of a topic of dead letters: topic they come from, data, reason."""
    from aiokafka import AIOKafkaConsumer

    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(60.0):
            found = [await consumer.getone() for _ in range(count)]
    finally:
        await consumer.stop()
    told = [(dict(one.headers), one.value) for one in found]
    return [(h["place"].decode().partition("/")[0], data, h["reason"].decode()) for h, data in told]


async def make(bootstrap: str, *topics: str) -> None:
    """Make topics of others, of two partitions each."""
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic

    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 2, 1) for topic in topics])
    await admin.close()
