"""The service as workers on a real Kafka and a real PostgreSQL: the demo's incident, whatever dies meanwhile."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import pytest

from aiops.demo.feed import feed
from aiops.demo.story import BAD_SERVICE, Story, story
from tests.services import _kafka_records as records
from tests.services._aiops_process import free_port, wait_for
from tests.services._kafka_server import Kafka, kafka_cluster
from tests.services._kafka_workers import WorkerProcess
from tests.services._postgres_server import Postgres, running_postgres
from tests.services._pulled_rows import kept, position_ms, set_back, times_in
from tests.services._webhook_receiver import WebhookReceiver

pytestmark = pytest.mark.service

PARTITIONS = 4
SERVICES = ("cart", "db", "payments", "web")
"""One in each partition."""
SCRAPES = "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n" + "".join(
    f"- {{job_name: {name}, static_configs: [{{targets: ['127.0.0.1:{{port}}']}}]}}\n" for name in SERVICES
)


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
    inputs: str = ""
    push: str = "step_s: 60"
    prometheus: str = ""
    lease_s: int = 15
    snapshot_s: int = 5

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
  snapshot_s: {self.snapshot_s}
  lease_s: {self.lease_s}
  inputs: [{self.inputs}]
push: {{{self.push}, packs: [otel_http, servicegraph, kubernetes, rabbitmq]}}
prometheus: [{self.prometheus}]
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


def test_records_of_others_are_taken_and_what_nobody_can_read_goes_to_the_dead_letters(cluster):
    """Every format with good records between two poisoned ones, and a message of ours that is none."""
    pytest.importorskip("aiokafka")
    plan, bootstrap, samples = records.written(time.time()), cluster.kafka.bootstrap, f"{cluster.prefix}samples"
    topics = {kind: f"{cluster.prefix}others.{kind}" for kind in plan}
    cluster.inputs = ", ".join(f"{{topic: '{topic}', format: {kind}}}" for kind, topic in topics.items())
    # Silence closes ticks soon, so that what was taken is seen among the watched series.
    cluster.push = "step_s: 1, lateness_s: 5, idle_s: 2"
    worker, ours = cluster.worker("all", "all"), records.Record(b"\x07poison")

    async def others() -> list[tuple[str, bytes, str]]:
        await records.make(bootstrap, *topics.values())
        worker.start()
        for kind, of in plan.items():
            await records.put(bootstrap, topics[kind], of.poison, *of.good, of.poison)
        await asyncio.to_thread(worker.wait_ready)
        await records.put(bootstrap, samples, ours, partition=0)
        return await records.read(bootstrap, f"{cluster.prefix}dead-letters", 2 * len(plan) + 1)

    def taken() -> tuple[float, ...]:
        got = worker.metrics()
        return tuple(
            got[name]
            for name in (
                'aiops_kafka_gateway_samples_total{what="sent"}',
                'aiops_kafka_gateway_samples_total{what="unwatched"}',
                "aiops_kafka_worker_series",
                # By its own name the sender is "/ci": names of strangers are no labels.
                'aiops_events_total{kind="deploy",source="other"}',
                'aiops_kafka_detect_total{what="dead"}',
            )
        )

    try:
        letters = asyncio.run(others())
        poison = [(topics[kind], of.poison.data) for kind, of in plan.items() for _ in range(2)]
        assert sorted((topic, data) for topic, data, _ in letters) == sorted([*poison, (samples, ours.data)])
        begins = {topics[kind]: of.reason for kind, of in plan.items()}
        begins[samples] = "message: must begin with the byte 1 and its kind, got version 7"
        assert [reason for topic, _, reason in letters if not reason.startswith(begins[topic])] == []
        wanted = (sum(of.samples for of in plan.values()), 0, 3, 1, 1)
        wait_for(lambda: taken() == wanted, 30.0, lambda: f"{taken()} instead of {wanted}: {worker.log_tail()}")
        assert worker.terminate(30.0) == 0, worker.log_tail()
    finally:
        worker.kill()


def test_a_prometheus_is_read_on_without_a_hole_when_the_worker_that_reads_it_is_killed(cluster, prometheus):
    """What that one had put into Kafka, but not yet said so in the database, comes again and counts once."""
    port = free_port()
    server = prometheus(SCRAPES.replace("{port}", str(port)), port=port)
    cluster.prometheus = f"{{url: '{server.url}', name: prom, step_s: 1, history_days: 0.001, packs: [targets]}}"
    cluster.lease_s, cluster.snapshot_s = 6, 2
    workers = [cluster.worker(f"both{n}", "gateway", "detect") for n in range(2)]
    read_ms, scored = (partial(what, cluster.database, "prom") for what in (position_ms, kept))

    def reading() -> list[WorkerProcess]:
        held = 'aiops_kafka_pull_held{source="pull/prom"}'
        return [one for one in workers if one.process and one.metrics(30.0)[held]]

    def is_scored(until_ms: int) -> bool:
        times = scored()
        return len(times) == len(SERVICES) and all(rows and rows[-1] > until_ms for rows in times.values())

    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.wait_ready()
        wait_for(lambda: read_ms() and reading(), 60.0, lambda: f"nothing is read: {workers[0].log_tail()}")
        (dead,) = reading()
        dead.kill()
        killed_ms = read_ms()
        set_back(cluster.database, "prom", 3000)
        gone_s = wait_for(reading, 30.0, lambda: "nobody reads on")
        assert gone_s < 2 * cluster.lease_s
        (alive,) = reading()
        wait_for(lambda: is_scored(killed_ms + 3000), 60.0, lambda: f"not scored: {scored()}, {alive.log_tail()}")
        alive.wait_ready(30.0)
        waiting, up = 'aiops_source_waiting{source="prom"}', 'aiops_source_up{source="prom"}'
        assert alive.metrics()[waiting] == 0.0
        wait_for(lambda: alive.metrics(30.0).get(up) == 1.0, 30.0, lambda: "the source is taken for gone")
        everything = records.everything(cluster.kafka.bootstrap, f"{cluster.prefix}samples", PARTITIONS)
        sent = times_in(asyncio.run(everything))
        assert max(sent.values()) > 1
        for service, rows in scored().items():
            first_ms = min(at_ms for name, at_ms in sent if name == service)
            assert rows == list(range(first_ms, rows[-1] + 1, 1000)), service
    finally:
        for worker in workers:
            worker.kill()
