"""Records as others put them into topics, good and poisoned ones of each format; and what is in a topic."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime

import cramjam

from aiops.demo.encode import encode
from tests.sources._otlp_world import gauge, request

IN_FLIGHT = "http_server_active_requests"


@dataclass(frozen=True)
class Record:
    """What is put into a topic."""

    data: bytes
    headers: list[tuple[str, bytes]] = field(default_factory=list)


@dataclass(frozen=True)
class Written:
    """What is put into a topic of others.

    Parameters
    ----------
    good : records that are taken; `samples` of them in all, of one service that no other topic tells of
    poison : a record that is not, and how what is said of it begins
    """

    good: list[Record]
    poison: Record
    reason: str
    samples: int


def written(now_s: float) -> dict[str, Written]:
    """By format, of about that time."""
    now_ms = round(now_s * 1000)
    body = encode([(_labels("cart"), [(now_ms - 1, 5.0), (now_ms, 6.0)])])
    plain = encode([(_labels("cart"), [(now_ms + 1, 7.0)])])
    return {
        "prometheus_json": Written(
            # The later one first: records have no order.
            [_adapted(now_s, 12), _adapted(now_s - 3, 10)],
            Record(b'{"timestamp": "yesterday", "value": "1", "name": "up", "labels": {}}'),
            "record: timestamp must be RFC 3339, got 'yesterday'",
            2,
        ),
        "remote_write": Written(
            [Record(body), Record(bytes(cramjam.snappy.decompress_raw(plain)))],
            Record(b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
            "the body is no WriteRequest: a field is longer than the message around it",
            3,
        ),
        "otlp_proto": Written(
            [Record(request(_depth(now_ms), resource={"service.name": "payments"}).SerializeToString())],
            Record(b"\x0a\x05nope!"),
            "the body is no ExportMetricsServiceRequest",
            1,
        ),
        "cloudevents": Written([_deploy()], Record(b"[1, 2"), "body: not valid JSON", 0),
    }


def _labels(service: str) -> tuple[tuple[str, str], ...]:
    return (("__name__", IN_FLIGHT), ("instance", "10.0.0.1:80"), ("job", service))


def _depth(now_ms: int):
    return gauge(3.0, now_ms * 1_000_000, IN_FLIGHT.replace("_", "."))


def _adapted(at_s: float, value: float) -> Record:
    told = datetime.fromtimestamp(int(at_s), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    content = {"timestamp": told, "value": str(value), "name": IN_FLIGHT, "labels": dict(_labels("search"))}
    return Record(json.dumps(content).encode())


def _deploy() -> Record:
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": "1",
        "ce_source": "/ci",
        "content-type": "application/json",
        "ce_type": "dev.cdevents.service.deployed.0.3.0",
    }
    data = {"context": {"version": "0.5.0"}, "subject": {"id": "cart", "type": "service", "content": {}}}
    return Record(json.dumps(data).encode(), [(name, value.encode()) for name, value in attributes.items()])


async def put(bootstrap: str, topic: str, *records: Record, partition: int | None = None) -> None:
    """Put records into a topic; they are there when this returns."""
    from aiokafka import AIOKafkaProducer

    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    try:
        for record in records:
            await producer.send_and_wait(topic, record.data, headers=record.headers, partition=partition)
    finally:
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


async def everything(bootstrap: str, topic: str, partitions: int) -> list[tuple[int, bytes]]:
    """All records of a topic until now, with their partitions."""
    from aiokafka import AIOKafkaConsumer, TopicPartition

    consumer, found = AIOKafkaConsumer(bootstrap_servers=bootstrap), []
    await consumer.start()
    try:
        places = [TopicPartition(topic, number) for number in range(partitions)]
        ends = await consumer.end_offsets(places)
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        async with asyncio.timeout(60.0):
            while any([await consumer.position(place) < ends[place] for place in places]):
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    found += [(record.partition, record.value) for record in records]
    finally:
        await consumer.stop()
    return found


async def make(bootstrap: str, *topics: str) -> None:
    """Make topics of others, of two partitions each."""
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic

    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 2, 1) for topic in topics])
    finally:
        await admin.close()
