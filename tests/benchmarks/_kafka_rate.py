"""Samples a second from HTTP to scores: the one process, and gateway, broker and detect on the same requests."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.benchmarks._kafka_cluster import ASK_S, LIMIT_S, READY_S, Cluster, Profile, cpu_s, servers
from tests.benchmarks._kafka_load import Load, load_of, send
from tests.benchmarks._table import Row, at_least, at_most
from tests.benchmarks._write_bodies import BODY_SERIES
from tests.services._aiops_process import AiopsProcess, wait_for

SERIES, WARM_SCRAPES, SCRAPES = 100_000, 6, 48
EACH = WARM_SCRAPES + SCRAPES
LATE_STEPS = 2
"""So much later than others may a sample come: requests under way are a scrape here, and overtake each other."""
PROFILE = Profile(SERIES, SERIES, late_steps=LATE_STEPS)
GOAL_PER_S = 500_000.0
SCORED, DROPPED = "aiops_samples_total", "aiops_samples_dropped_total"
SHARDS, FEW_SHARDS = 50, 8
"""Requests under way. 50 is `max_shards` of Prometheus: it opens as many for samples that come faster than
they are taken.

Its rule [1], every 10 s: seconds that sending a sample takes, times (samples a second that come + 0.05 times those that
wait), rounded up, 1 to 50. Of 2,000 samples a request that is `rate x latency / 2000`: 13 for 500,000 a second answered
in 50 ms. While less is taken than comes, latency is `2000 x shards / taken`, so the rule asks for `shards x rate /
taken`: more each time, up to the limit. With 8, the time until the answer is what bounds a rate.

[1] github.com/prometheus/prometheus, storage/remote/queue_manager.go, calculateDesiredShards
"""


@dataclass(frozen=True, slots=True)
class Run:
    """What a run of the load has taken.

    Parameters
    ----------
    cpu_ns : a sample, by part
    answered_s : how long a request waited for its answer, the median
    """

    samples: int
    wall_s: float
    cpu_ns: Mapping[str, float]
    answered_s: float

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
    load = load_of(SERIES, 3 * EACH, LATE_STEPS)
    with servers() as place, Cluster(place, PROFILE, "rate") as cluster:
        gateway = cluster.worker("gateway", "gateway")
        cluster.worker("detect0", "detect")
        one = on_kafka(load, cluster, gateway.port, 0)
        size = _topic_bytes(cluster, load)
        yield [*_figures("1 detect worker", one), at_most("bytes a sample in the topic, names too", size, "bytes", 6.0)]
        yield _figures("1 detect worker, 8 shards", on_kafka(load, cluster, gateway.port, EACH, FEW_SHARDS))
        _check_all_scored(cluster, load, 2 * EACH)
        cluster.worker("detect1", "detect")
        cluster.wait_shared()
        yield _figures("2 detect workers", on_kafka(load, cluster, gateway.port, 2 * EACH))
    alone = embedded(load)
    ratio = Row("1 detect worker: Kafka against the one process, CPU", one.core_ns / alone.core_ns, "x")
    yield [*_figures("one process, no Kafka", alone), ratio]


def _figures(what: str, run: Run) -> list[Row]:
    return [
        at_least(f"{what}: samples a second, by the clock on the wall", run.per_s, "samples/s", GOAL_PER_S),
        at_least(f"{what}: samples a second of 2 free cores, by CPU", 2e9 / run.core_ns, "samples/s", GOAL_PER_S),
        Row(f"{what}: time until a request is answered, median", run.answered_s * 1000, "ms"),
        Row(f"{what}: CPU, all parts", run.core_ns, "ns/sample"),
        *(Row(f"{what}: CPU of {part}", ns, "ns/sample") for part, ns in run.cpu_ns.items()),
    ]


@dataclass(frozen=True, slots=True)
class _Receiver:
    """What takes the load.

    Parameters
    ----------
    cpu_s : by part, so far
    wait_scored : returns once so many scrapes are scored
    """

    port: int
    cpu_s: Callable[[], dict[str, float]]
    wait_scored: Callable[[int], None]


def _run(load: Load, begin: int, to: _Receiver, shards: int) -> Run:
    """Send the warm scrapes, wait until they are scored, send the others, wait."""
    # What is overtaken by the next scrape but one would be late.
    ahead = load.series // BODY_SERIES
    send(to.port, load.scrapes(begin, begin + WARM_SCRAPES), shards, ahead)
    to.wait_scored(begin + WARM_SCRAPES)
    before, sender_s, began_s = to.cpu_s(), time.process_time(), time.monotonic()
    answered_s = send(to.port, load.scrapes(begin + WARM_SCRAPES, begin + EACH), shards, ahead)
    sender_s = time.process_time() - sender_s
    to.wait_scored(begin + EACH)
    wall_s, after = time.monotonic() - began_s, to.cpu_s()
    samples = load.series * SCRAPES
    taken = {"sender": sender_s} | {part: after[part] - before[part] for part in after}
    ns = {part: seconds / samples * 1e9 for part, seconds in taken.items()}
    return Run(samples, wall_s, ns, statistics.median(answered_s))


def on_kafka(load: Load, cluster: Cluster, port: int, begin: int, shards: int = SHARDS) -> Run:
    """Some scrapes of the load, from `begin` on, through a cluster."""

    def wait_scored(scrapes: int) -> None:
        cluster.wait_scored(load.tick_ms(scrapes))

    return _run(load, begin, _Receiver(port, cluster.cpu_s, wait_scored), shards)


def _check_all_scored(cluster: Cluster, load: Load, scrapes: int) -> None:
    """Samples that come late are left out and cost less: none may be. A worker counts them only every ten seconds."""
    wanted = load.series * (scrapes - 1 - LATE_STEPS)
    wait_for(lambda: cluster.total(SCORED) >= wanted, LIMIT_S, cluster.logs, every_s=ASK_S)
    assert not cluster.total(DROPPED), f"{cluster.total(DROPPED):.0f} samples were not scored: {cluster.logs()}"


def _topic_bytes(cluster: Cluster, load: Load) -> float:
    return cluster.topic_bytes() / (load.series * EACH)


def embedded(load: Load, shards: int = SHARDS) -> Run:
    """The load through the one process."""
    with tempfile.TemporaryDirectory() as folder, AiopsProcess(Path(folder), PROFILE.settings()) as one:
        one.wait_ready(READY_S)
        assert one.process is not None
        pid = one.process.pid

        def wait_scored(scrapes: int) -> None:
            # The first scrape has no rate yet, the last ones wait for later ones. A sample that is dropped never comes.
            wanted = load.series * (scrapes - 1 - LATE_STEPS)
            wait_for(
                lambda: _total(one, SCORED) >= wanted,
                LIMIT_S,
                lambda: f"{_total(one, SCORED)} of {wanted}: {one.log_tail()}",
                every_s=ASK_S,
            )

        run = _run(load, 0, _Receiver(one.port, lambda: {"service": cpu_s(pid)}, wait_scored), shards)
        assert not _total(one, DROPPED), one.log_tail()
        return run


def _total(one: AiopsProcess, name: str) -> float:
    lines = httpx.get(one.url + "/metrics", timeout=10.0).text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name + "{"))
