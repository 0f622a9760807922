"""What is broken in a run of chaos: workers and brokers that are killed, paused, replaced, added, at times by seed."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar, get_args

import httpx

from aiops.kafka.topics import Topics, patiently
from tests.benchmarks._kafka_chaos_fork import ForkedWorker
from tests.services._kafka_server import Broker, Kafka
from tests.services._kafka_workers import WorkerProcess

T = TypeVar("T")

PARTITIONS = 4
SESSION_S = 8.0
READY_S = 240.0  # a loaded machine; kernels may have to be compiled
PLAN = {"gateway": ("gateway", "deliver"), "detect": ("detect",), "triage": ("triage",)}
"""Two processes of each; a gateway delivers too."""

Strike = Literal["kill gateway", "kill detect", "kill triage", "kill broker", "pause", "roll", "join", "partitions"]
STRIKES: tuple[Strike, ...] = get_args(Strike)

SETTINGS = """\
store: {{url: '{database}'}}
kafka:
  bootstrap: '{bootstrap}'
  prefix: '{prefix}'
  partitions: {partitions}
  replication: 3
  session_timeout_s: {session_s}
  snapshot_s: 10
push: {{step_s: 2, window_s: 10, lateness_s: {lateness_s}, packs: [otel_http, servicegraph]}}
detection: {{hold_s: 10, second_opinion: false}}
triage: {{group_wait_s: 5, hold_s: 10, rank_timeout_s: 60}}
graph: {{refresh_s: 5}}
notifiers: [{{kind: webhook, url: '{receiver}'}}]
"""
LATENESS_S = 20.0  # longer than a sender may hang on a gateway that is gone


@dataclass
class Cluster:
    """Workers of one run, on brokers and a database that are there."""

    folder: Path
    kafka: Kafka
    database: str
    prefix: str
    receiver: str
    workers: dict[str, WorkerProcess] = field(default_factory=dict)
    _busy: dict[str, threading.Lock] = field(default_factory=dict)

    def settings(self) -> str:
        """Of all workers."""
        return SETTINGS.format(
            database=self.database,
            bootstrap=self.kafka.bootstrap,
            prefix=self.prefix,
            partitions=PARTITIONS,
            session_s=SESSION_S,
            lateness_s=LATENESS_S,
            receiver=self.receiver,
        )

    def start(self) -> None:
        """Start all workers and wait until they are ready."""
        for kind in PLAN:
            for number in range(2):
                self.add(kind, number).start()
        for worker in self.workers.values():
            worker.wait_ready(READY_S)

    def add(self, kind: str, number: int) -> WorkerProcess:
        """One more worker, not started."""
        name = f"{kind}{number}"
        self.workers[name] = ForkedWorker(name, self.folder, PLAN[kind], self.settings())
        self._busy[name] = threading.Lock()
        return self.workers[name]

    def of(self, kind: str) -> list[str]:
        """Names of the workers of a kind."""
        return [name for name in self.workers if name.rstrip("0123456789") == kind]

    def busy(self, name: str) -> threading.Lock:
        """Held by whoever does something to a worker."""
        return self._busy[name]

    def urls(self) -> list[str]:
        """Where samples can be sent to."""
        return [self.workers[name].url for name in self.of("gateway")]

    def end(self) -> list[str]:
        """Send all SIGTERM and wait; names of those that did not leave in good order within 30 s."""
        bad = []
        for name, worker in self.workers.items():
            if worker.process is not None:
                try:
                    status = worker.terminate(30.0)
                except subprocess.TimeoutExpired:
                    status = -1
                bad += [name] if status else []
        return bad

    def kill(self) -> None:
        """End whatever is left."""
        for worker in self.workers.values():
            worker.kill()


class Chaos:
    """Strikes at times and places drawn from a seed.

    Parameters
    ----------
    told : of each strike, for the log of the run
    """

    def __init__(self, cluster: Cluster, seed: int, kinds: tuple[Strike, ...], told: Callable[[str], None]) -> None:
        self._cluster, self._kinds, self._told = cluster, kinds, told
        self._rng = random.Random(f"chaos {seed}")
        self._threads: list[threading.Thread] = []
        self.failed: list[str] = []

    def run(self, until_s: float) -> None:
        """Strike until a time on the monotonic clock: each kind once in random order, then at random."""
        if not self._kinds:
            return
        order = list(self._kinds)
        self._rng.shuffle(order)
        while time.monotonic() < until_s:
            kind = order.pop() if order else self._rng.choice(self._kinds)
            self._begin(kind)
            time.sleep(min(self._rng.uniform(3.0, 10.0), max(0.0, until_s - time.monotonic())))

    def join(self) -> None:
        """Wait until all that was struck has been put right."""
        for thread in self._threads:
            thread.join()

    def _begin(self, kind: Strike) -> None:
        delay_s, place = self._rng.uniform(0.5, 6.0), self._rng.random()
        thread = threading.Thread(target=self._safely, args=(kind, delay_s, place), name=kind)
        self._threads.append(thread)
        thread.start()

    def _safely(self, kind: Strike, delay_s: float, place: float) -> None:
        try:
            self._strike(kind, delay_s, place)
        except Exception as error:  # noqa: BLE001 - whatever it is, the run has failed and says why
            self.failed.append(f"{kind}: {error!r}"[:500])

    def _strike(self, kind: Strike, delay_s: float, place: float) -> None:
        match kind:
            case "kill gateway" | "kill detect" | "kill triage":
                self._on(_picked(self._cluster.of(kind.split()[1]), place), kind, lambda w: self._killed(w, delay_s))
            case "pause":
                names = list(self._cluster.workers)
                self._on(_picked(names, place), kind, lambda w: self._paused(w, SESSION_S + delay_s))
            case "roll":
                for name in self._cluster.of(_picked(list(PLAN), place)):
                    self._on(name, kind, self._replaced)
            case "kill broker":
                self._broker(_picked(self._cluster.kafka.brokers, place), delay_s)
            case "join":
                self._joined(delay_s)
            case "partitions":
                self._told("partitions added")
                asyncio.run(add_partitions(self._cluster.kafka.bootstrap, self._cluster.prefix))

    def _on(self, name: str, kind: str, do: Callable[[WorkerProcess], None]) -> None:
        with self._cluster.busy(name):
            worker = self._cluster.workers[name]
            if worker.process is None:  # the third one that detects has left
                return
            self._told(f"{kind}: {name}")
            do(worker)
            self._told(f"{kind}: {name} is back")

    def _killed(self, worker: WorkerProcess, delay_s: float) -> None:
        worker.kill()
        time.sleep(delay_s)
        worker.start()
        worker.wait_ready(READY_S)

    def _paused(self, worker: WorkerProcess, for_s: float) -> None:
        worker.send(signal.SIGSTOP)
        time.sleep(for_s)
        worker.send(signal.SIGCONT)

    def _replaced(self, worker: WorkerProcess) -> None:
        status = worker.terminate(30.0)
        if status:
            raise ChildProcessError(f"{worker.name} ended with {status} after SIGTERM: {worker.log_tail(800)}")
        worker.start()
        worker.wait_ready(READY_S)

    def _joined(self, delay_s: float) -> None:
        """A third worker that detects comes and goes again."""
        cluster = self._cluster
        third = "detect2"
        name = third if third in cluster.workers else cluster.add("detect", 2).name
        with cluster.busy(name):
            worker = cluster.workers[name]
            if worker.process is not None:
                return
            self._told(f"join: {name}")
            worker.start()
            worker.wait_ready(READY_S)
            time.sleep(SESSION_S + delay_s)
            worker.terminate(30.0)
            self._told(f"join: {name} has left")

    def _broker(self, broker: Broker, delay_s: float) -> None:
        """One at a time: two of three must be there, or nothing counts as taken."""
        with _ONE_BROKER:
            self._told(f"kill broker {broker.node}")
            broker.send(signal.SIGKILL)
            time.sleep(2.0 + delay_s)
            broker.start()
            end_s = time.monotonic() + READY_S
            while not broker.is_listening() and time.monotonic() < end_s:
                time.sleep(0.2)
            # Its copies must catch up before another one may go.
            time.sleep(8.0)
            self._told(f"kill broker {broker.node}: it is back")


_ONE_BROKER = threading.Lock()


def _picked(of: list[T], place: float) -> T:
    return of[int(place * len(of))]


async def add_partitions(bootstrap: str, prefix: str) -> None:
    """Two more partitions for each topic of ours, as an operator might; asked again while a broker is away."""
    from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
    from aiokafka.errors import InvalidPartitionsError

    topics = Topics(prefix)
    names = [topics.samples, topics.events, topics.anomalies, topics.answers, topics.notifications]
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        found = await patiently(lambda: admin.describe_topics(names), READY_S)
        wanted = {one["topic"]: NewPartitions(len(one["partitions"]) + 2) for one in found}
        with suppress(InvalidPartitionsError):  # an earlier try was done although nobody answered
            await patiently(lambda: admin.create_partitions(wanted), READY_S)
    finally:
        await admin.close()


def incidents(urls: Sequence[str]) -> list[dict[str, object]]:
    """All incidents, as the API of the first worker that answers gives them."""
    for url in urls:
        try:
            answer = httpx.get(f"{url}/api/v1/incidents?limit=500", timeout=10.0)
        except httpx.TransportError:
            continue
        answer.raise_for_status()
        found: list[dict[str, object]] = answer.json()["incidents"]
        return found
    raise ConnectionError(f"no worker answers at {', '.join(urls)}")
