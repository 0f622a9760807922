"""A real Kafka for tests: KRaft brokers from plain jars, on loopback ports, in folders that are thrown away."""

from __future__ import annotations

import base64
import os
import signal
import socket
import subprocess
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.services._aiops_process import free_port, wait_for
from tests.services._servers import program

READY_S = 60.0  # a JVM on a loaded machine with two cores needs 15
JARS = Path(os.environ.get("KAFKA_JARS", Path(__file__).parents[2] / "build" / "kafka-jars"))


def kafka_jars() -> Path:
    """The folder of Kafka's jars; without it the test is skipped, under CI it fails."""
    if list(JARS.glob("kafka_2.13-*.jar")):
        return JARS
    missing = f"Kafka's jars are not in {JARS}: `make kafka-jars` fetches them"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{missing}, and CI must run every service test")
    pytest.skip(missing)


@dataclass
class Broker:
    """One broker, which is a controller too.

    Parameters
    ----------
    node : its number, from 1
    folder : where it runs and keeps its data
    settings : what is in its server.properties
    """

    node: int
    folder: Path
    settings: dict[str, str]
    port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it is ready some seconds later."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                _java(self.folder, "kafka.Kafka", str(self.folder / "server.properties")),
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, such as SIGKILL or SIGSTOP."""
        if self.process is not None:
            self.process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End it, by default at once: its data is thrown away or must stand this."""
        process, self.process = self.process, None
        if process is None:
            return
        process.send_signal(signal.SIGCONT)
        process.send_signal(number)
        process.wait(timeout=60)

    def is_listening(self) -> bool:
        """Whether clients can connect; a broker that ended by itself fails the test."""
        if self.process is not None and self.process.poll() is not None:
            pytest.fail(f"broker {self.node} ended by itself: {self.log_tail()}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def log_tail(self, size: int = 2000) -> str:
        """The end of what it wrote."""
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")[-size:]


@dataclass
class Kafka:
    """A cluster of brokers."""

    brokers: list[Broker] = field(default_factory=list)

    @property
    def bootstrap(self) -> str:
        """Addresses of all brokers."""
        return ",".join(f"127.0.0.1:{broker.port}" for broker in self.brokers)

    def start(self) -> None:
        """Start all brokers and wait until all take connections."""
        for broker in self.brokers:
            broker.start()
        for broker in self.brokers:
            wait_for(broker.is_listening, READY_S, lambda b=broker: f"broker {b.node} is not ready: {b.log_tail()}")

    def stop(self) -> None:
        """End all brokers."""
        for broker in self.brokers:
            broker.stop()


def kafka_cluster(folder: Path, nodes: int = 1) -> Kafka:
    """A cluster that is not started yet, with formatted storage."""
    kafka_jars()
    ports = [(free_port(), free_port()) for _ in range(nodes)]
    voters = ",".join(f"{n}@127.0.0.1:{ports[n - 1][1]}" for n in range(1, nodes + 1))
    cluster_id = base64.urlsafe_b64encode(uuid.UUID(int=nodes).bytes).decode().rstrip("=")
    brokers = []
    for node, (port, controller_port) in enumerate(ports, start=1):
        home = folder / f"broker{node}"
        home.mkdir(parents=True)
        settings = _settings(node, nodes, port=port, controller_port=controller_port, voters=voters, home=home)
        lines = [f"{key}={value}\n" for key, value in settings.items()]
        (home / "server.properties").write_text("".join(lines), encoding="utf-8")
        _format(home, cluster_id)
        brokers.append(Broker(node, home, settings, port))
    return Kafka(brokers)


def _settings(node: int, nodes: int, *, port: int, controller_port: int, voters: str, home: Path) -> dict[str, str]:
    copies = str(min(nodes, 3))
    return {
        "process.roles": "broker,controller",
        "node.id": str(node),
        "controller.quorum.voters": voters,
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(home / "data"),
        "offsets.topic.replication.factor": copies,
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "4",
        "group.initial.rebalance.delay.ms": "0",
        "auto.create.topics.enable": "false",
        "num.network.threads": "2",
        "num.io.threads": "2",
        "broker.session.timeout.ms": "6000",
        "controller.quorum.election.timeout.ms": "1000",
        "controller.quorum.fetch.timeout.ms": "2000",
    }


def _format(home: Path, cluster_id: str) -> None:
    command = _java(home, "kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(home / "server.properties"))
    done = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _java(home: Path, *arguments: str) -> Sequence[str]:
    return [
        program("java"),
        "-Xmx384m",
        "-Xms128m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-cp",
        f"{JARS}/*",
        *arguments,
    ]
