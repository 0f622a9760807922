"""The service as workers on a real Kafka and a real PostgreSQL: the demo's incident, whatever dies meanwhile."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from aiops.demo.feed import feed
from aiops.demo.story import BAD_SERVICE, Story, story
from tests.services._aiops_process import wait_for
from tests.services._kafka_server import Kafka, kafka_cluster
from tests.services._kafka_workers import WorkerProcess
from tests.services._postgres_server import Postgres, running_postgres
from tests.services._webhook_receiver import WebhookReceiver

pytestmark = pytest.mark.service

PARTITIONS = 4


@pytest.fixture(scope="module")
def kafka(tmp_path_factory):
    cluster = kafka_cluster(tmp_path_factory.mktemp("kafka"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="module")
def postgres():
    with running_postgres() as server:
        yield server


@dataclass
class Cluster:
    """Workers that share one set of topics and one database."""

    folder: Path
    kafka: Kafka
    database: str
    prefix: str
    receiver: WebhookReceiver

    def worker(self, name: str, *roles: str) -> WorkerProcess:
        """One that is not started yet."""
        return WorkerProcess(name, self.folder, roles, self.settings())

    def settings(self) -> str:
        return f"""\
store: {{url: '{self.database}'}}
kafka:
  bootstrap: '{self.kafka.bootstrap}'
  prefix: '{self.prefix}'
  partitions: {PARTITIONS}
  session_timeout_s: 6
  snapshot_s: 5
push: {{step_s: 60, packs: [otel_http, servicegraph, kubernetes, rabbitmq]}}
graph: {{refresh_s: 5}}
notifiers: [{{kind: webhook, url: '{self.receiver.url}'}}]
"""


@pytest.fixture
def cluster(kafka, postgres: Postgres, tmp_path):
    with WebhookReceiver() as receiver:
        yield Cluster(tmp_path, kafka, postgres.make_database(tmp_path.name), f"{tmp_path.name}.", receiver)


def told(receiver: WebhookReceiver) -> list[tuple[str, str]]:
    """Incident and reason of each notification, in order; the same key twice is the same one."""
    seen: dict[str, tuple[str, str]] = {}
    for taken in list(receiver.taken):
        seen.setdefault(taken.body["key"], (taken.body["incident"]["id"], taken.body["reason"]))
    return list(seen.values())


async def shop(url: str, plan: Story) -> None:
    """Two days of the shop, then the bad deploy."""
    await feed(url, plan, until_ms=plan.now_ms, pace=240.0)


def test_one_incident_with_its_cause_although_detectors_and_the_decider_are_killed(cluster):
    gateway = cluster.worker("gateway", "gateway", "deliver")
    detectors = [cluster.worker(f"detect{n}", "detect") for n in range(2)]
    deciders = [cluster.worker(f"triage{n}", "triage") for n in range(2)]
    workers = [gateway, *detectors, *deciders]
    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.wait_ready()
        plan = story(int(time.time() * 1000), history_days=2)

        async def storm() -> None:
            sending = asyncio.create_task(shop(gateway.url, plan))
            await asyncio.sleep(8.0)  # somewhere in the two days
            detectors[0].kill()
            await sending

        asyncio.run(storm())
        detectors[0].start()
        wait_for(lambda: told(cluster.receiver), 90.0, lambda: f"nobody was told: {deciders[0].log_tail()}")
        deciders[0].kill()
        deciders[1].wait_ready()
        wait_for(
            lambda: any(
                incident["suspects"] for incident in httpx.get(gateway.url + "/api/v1/incidents").json()["incidents"]
            ),
            60.0,
            lambda: "no cause was found",
        )
        incidents = httpx.get(gateway.url + "/api/v1/incidents").json()["incidents"]
        assert [incident["suspects"][0]["service"] for incident in incidents] == [BAD_SERVICE]
        assert [reason for _, reason in told(cluster.receiver)].count("opened") == 1
        lost = sum(worker.metrics()["aiops_kafka_samples_unnamed_total"] for worker in detectors[1:])
        assert lost == 0
        for worker in (gateway, detectors[1], deciders[1]):
            assert worker.terminate(30.0) == 0, worker.log_tail()
    finally:
        for worker in workers:
            worker.kill()


def test_a_record_nobody_can_read_goes_to_the_dead_letters_and_the_rest_goes_on(cluster):
    pytest.importorskip("aiokafka")
    worker = cluster.worker("all", "all")
    try:
        worker.start()
        worker.wait_ready()
        letters = asyncio.run(_poisoned(cluster, worker))
        assert letters[0] == (b"\x07poison", b"message: must begin with the byte 1 and its kind, got version 7")
        assert worker.metrics()['aiops_kafka_detect_total{what="dead"}'] == 1
        assert worker.terminate(30.0) == 0, worker.log_tail()
    finally:
        worker.kill()


async def _poisoned(cluster: Cluster, worker: WorkerProcess) -> list[tuple[bytes, bytes]]:
    """Put bytes that are no message among the samples; what is in the dead letters then."""
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

    producer = AIOKafkaProducer(bootstrap_servers=cluster.kafka.bootstrap)
    await producer.start()
    await producer.send_and_wait(f"{cluster.prefix}samples", b"\x07poison", partition=0)
    await producer.stop()
    consumer = AIOKafkaConsumer(
        f"{cluster.prefix}dead-letters", bootstrap_servers=cluster.kafka.bootstrap, auto_offset_reset="earliest"
    )
    await consumer.start()
    letter = await asyncio.wait_for(consumer.getone(), 30.0)
    await consumer.stop()
    return [(letter.value, dict(letter.headers)["reason"])]
