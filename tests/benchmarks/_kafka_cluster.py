"""Workers on a real Kafka and a real PostgreSQL, or the one process, with what each takes of the processor."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.benchmarks._kafka_load import METRIC
from tests.benchmarks._write_bodies import SCRAPE_S
from tests.services._aiops_process import wait_for
from tests.services._kafka_server import Kafka, kafka_cluster
from tests.services._kafka_workers import WorkerProcess
from tests.services._postgres_server import Postgres, running_postgres

READY_S, LIMIT_S = 900.0, 900.0  # kernels may have to be compiled first, and the machine may be busy
ASK_S = 0.25  # metrics of a busy worker take 30 ms of a core: asked all the time they are a fifth of what is measured
_TICKS_S = os.sysconf("SC_CLK_TCK")

SIGNAL = f"""\
signals:
  - {{signal: bench_rate, kind: traffic, direction: both, unit: req/s, min_absolute: 1, min_relative: 0.3, form: rate,
     description: of each pod, of: {METRIC}, service: [service], by: [pod, handler]}}
"""
"""Every series of the load is a signal of its own, so that every sample is scored: the dearest that there is."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What is asked of the workers.

    Parameters
    ----------
    series : all of them
    full : of them, in the full bank, if there is room in a partition; the others are in the light one
    late_steps : how much later than others a sample may come
    """

    series: int
    full: int
    partitions: int = 4
    session_timeout_s: float = 6.0
    snapshot_s: float = 60.0
    late_steps: int = 1
    packs: str = "[go]"
    signals: str = SIGNAL

    def settings(self) -> str:
        """The part of the settings that is the same for one process and several."""
        return (
            f"push: {{step_s: {SCRAPE_S}, lateness_s: {self.late_steps * SCRAPE_S}, packs: {self.packs}, "
            f"max_raw_series: {self.series}}}\n"
            f"limits: {{max_series: {self.series}, max_full_series: {self.full}}}\n{self.signals}"
        )


def cpu_s(pid: int) -> float:
    """Processor time of a process so far, threads that have ended too."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_S


def memory_bytes(pid: int) -> int:
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Servers:
    """A broker and a database, in a folder of their own."""

    folder: Path
    kafka: Kafka
    postgres: Postgres


@contextmanager
def servers() -> Iterator[Servers]:
    """Start both; they end with the block."""
    with tempfile.TemporaryDirectory(prefix="aiops-bench-") as folder, running_postgres() as postgres:
        kafka = kafka_cluster(Path(folder))
        try:
            kafka.start()
            yield Servers(Path(folder), kafka, postgres)
        finally:
            kafka.stop()


@dataclass
class Cluster:
    """Workers with topics and a database of their own.

    Parameters
    ----------
    name : of the database and the prefix of the topics
    """

    servers: Servers
    profile: Profile
    name: str
    workers: list[WorkerProcess] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._database = self.servers.postgres.make_database(self.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for one in self.workers:
            one.kill()

    def worker(self, name: str, *roles: str) -> WorkerProcess:
        """Start one and wait until it takes requests."""
        one = WorkerProcess(f"{self.name}-{name}", self.servers.folder, roles, self._settings())
        self.workers.append(one)
        one.start()
        one.wait_ready(READY_S)
        return one

    def wait_scored(self, tick_ms: int, limit_s: float = LIMIT_S) -> None:
        """Wait until all partitions have scored that tick."""
        wait_for(
            lambda: self.scored_ms() >= tick_ms,
            limit_s,
            lambda: f"{self.scored_ms()} of {tick_ms}: {self.logs()}",
            every_s=ASK_S,
        )

    def wait_shared(self) -> None:
        """Wait until every worker that detects has read of its share of the partitions."""
        shares = [one for one in self.workers if one.process is not None and "detect" in one.roles]
        wanted = self.profile.partitions // len(shares)
        has = "aiops_kafka_partitions"
        wait_for(lambda: all(one.metrics(LIMIT_S)[has] == wanted for one in shares), LIMIT_S, self.logs)

    def scored_ms(self) -> int:
        """The tick that all partitions have scored; 0 while one has scored none."""
        scored = [
            value
            for one in self.workers
            if one.process is not None and "detect" in one.roles
            for name, value in one.metrics(LIMIT_S).items()
            if name.startswith("aiops_kafka_scored_timestamp_seconds{")
        ]
        return round(min(scored) * 1000) if len(scored) == self.profile.partitions else 0

    def total(self, name: str) -> float:
        """A metric, summed over its labels and the workers that detect."""
        shares = [one.metrics(LIMIT_S) for one in self.workers if one.process is not None and "detect" in one.roles]
        return sum(value for one in shares for label, value in one.items() if label.startswith(name + "{"))

    def cpu_s(self) -> dict[str, float]:
        """Processor time by part."""
        broker = self.servers.kafka.brokers[0].process
        found = {one.name.removeprefix(f"{self.name}-"): cpu_s(one.process.pid) for one in self.workers if one.process}
        return found | ({"broker": cpu_s(broker.pid)} if broker is not None else {})

    def topic_bytes(self) -> int:
        """Bytes of the samples as they lie in the broker."""
        data = self.servers.kafka.brokers[0].folder / "data"
        return sum(path.stat().st_size for path in data.glob(f"{self.name}.samples-*/*.log"))

    def logs(self) -> str:
        """What the workers have written last."""
        return "\n".join(f"{one.name}: {one.log_tail(600)}" for one in self.workers)

    def _settings(self) -> str:
        one = self.profile
        return (
            f"store: {{url: '{self._database}'}}\n"
            f"kafka: {{bootstrap: '{self.servers.kafka.bootstrap}', prefix: '{self.name}.', "
            f"partitions: {one.partitions}, session_timeout_s: {one.session_timeout_s}, "
            f"snapshot_s: {one.snapshot_s}}}\n{one.settings()}"
        )
