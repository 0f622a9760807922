"""Samples a second from HTTP to scores: the one process, and gateway, broker and detect on the same requests."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.benchmarks._kafka_cluster import LIMIT_S, READY_S, Cluster, Profile, cpu_s, servers
from tests.benchmarks._kafka_load import Load, load_of, send
from tests.benchmarks._table import Row, at_least, at_most
from tests.services._aiops_process import AiopsProcess, wait_for

SERIES, WARM_SCRAPES, SCRAPES = 40_000, 6, 24
PROFILE = Profile(SERIES, SERIES)
GOAL_PER_S = 500_000.0


@dataclass(frozen=True, slots=True)
class Run:
    """What a run of the load has taken.

    Parameters
    ----------
    cpu_ns : a sample, by part
    """

    samples: int
    wall_s: float
    cpu_ns: Mapping[str, float]

    @property
    def per_s(self) -> float:
        """Samples a second as the clock on the wall has it."""
        return self.samples / self.wall_s

    @property
    def core_ns(self) -> float:
        """Processor time of all parts."""
        return sum(self.cpu_ns.values())


def measured() -> Iterator[list[Row]]:
    """Measure; figures come as they are found."""
    load = load_of(SERIES, 2 * (WARM_SCRAPES + SCRAPES))
    with servers() as place, Cluster(place, PROFILE, "rate") as cluster:
        gateway = cluster.worker("gateway", "gateway")
        cluster.worker("detect0", "detect")
        one = _on_kafka(load, cluster, gateway.port, 0)
        size = _topic_bytes(cluster, load)
        yield [*_figures("1 detect worker", one), at_most("bytes a sample in the topic, names too", size, "bytes", 6.0)]
        cluster.worker("detect1", "detect")
        cluster.wait_shared()
        yield _figures("2 detect workers", _on_kafka(load, cluster, gateway.port, WARM_SCRAPES + SCRAPES))
    alone = embedded(load)
    ratio = Row("1 detect worker: Kafka against the one process, CPU", one.core_ns / alone.core_ns, "x")
    yield [*_figures("one process, no Kafka", alone), ratio]


def _figures(what: str, run: Run) -> list[Row]:
    return [
        at_least(f"{what}: samples a second, by the clock on the wall", run.per_s, "samples/s", GOAL_PER_S),
        at_least(f"{what}: samples a second of 2 free cores, by CPU", 2e9 / run.core_ns, "samples/s", GOAL_PER_S),
        Row(f"{what}: CPU, all parts", run.core_ns, "ns/sample"),
        *(Row(f"{what}: CPU of {part}", ns, "ns/sample") for part, ns in run.cpu_ns.items()),
    ]


def _run(load: Load, begin: int, port: int, *, cpu: Callable[[], dict[str, float]], done: Callable[[int], None]) -> Run:
    """Send the warm scrapes, wait until they are `done`, send the others, wait."""
    send(port, load.scrapes(begin, begin + WARM_SCRAPES))
    done(begin + WARM_SCRAPES)
    end = begin + WARM_SCRAPES + SCRAPES
    before, sender_s, began_s = cpu(), time.process_time(), time.monotonic()
    send(port, load.scrapes(begin + WARM_SCRAPES, end))
    sender_s = time.process_time() - sender_s
    done(end)
    wall_s, after = time.monotonic() - began_s, cpu()
    samples = load.series * SCRAPES
    taken = {"sender": sender_s} | {part: after[part] - before[part] for part in after}
    return Run(samples, wall_s, {part: seconds / samples * 1e9 for part, seconds in taken.items()})


def _on_kafka(load: Load, cluster: Cluster, port: int, begin: int) -> Run:
    return _run(load, begin, port, cpu=cluster.cpu_s, done=lambda scrapes: cluster.wait_scored(load.tick_ms(scrapes)))


def _topic_bytes(cluster: Cluster, load: Load) -> float:
    return cluster.topic_bytes() / (load.series * (WARM_SCRAPES + SCRAPES))


def embedded(load: Load) -> Run:
    """The load through the one process."""
    with tempfile.TemporaryDirectory() as folder, AiopsProcess(Path(folder), PROFILE.settings()) as one:
        one.wait_ready(READY_S)
        assert one.process is not None
        pid = one.process.pid

        def done(scrapes: int) -> None:
            # The first scrape has no rate yet, the last one waits for a later one.
            wanted = load.series * (scrapes - 2)
            wait_for(lambda: _scored(one) >= wanted, LIMIT_S, lambda: f"{_scored(one)} of {wanted}: {one.log_tail()}")

        return _run(load, 0, one.port, cpu=lambda: {"service": cpu_s(pid)}, done=done)


def _scored(one: AiopsProcess) -> float:
    lines = httpx.get(one.url + "/metrics", timeout=10.0).text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("aiops_samples_total{"))
