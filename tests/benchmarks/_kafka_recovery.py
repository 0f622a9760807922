"""A worker that detects is killed (SIGKILL): how long until another one scores its partitions again.

The new worker is started at the moment of the kill, as Kubernetes would, and has everything to do: start, wait for the
session of the dead one to run out, read the snapshots, meet all series again, fill the windows, score the scrape that
came after the kill.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from tests.benchmarks._kafka_cluster import LIMIT_S, Cluster, Profile, Servers, memory_bytes, servers
from tests.benchmarks._kafka_load import Load, load_of, send
from tests.benchmarks._table import Row, at_most
from tests.services._aiops_process import wait_for

SERIES, BEFORE, AFTER, PARTITIONS = 1_000_000, 4, 2, 16
GOAL_S = 30.0
SESSION_TIMEOUT_S = 6.0


def measured() -> Iterator[list[Row]]:
    """Measure with the light bank, which is what a worker with so many series is set to."""
    profile = Profile(SERIES, 0, PARTITIONS, session_timeout_s=SESSION_TIMEOUT_S, snapshot_s=20.0)
    load = load_of(SERIES, BEFORE + AFTER)
    with servers() as place:
        yield _recovered(place, load, profile)


def _recovered(place: Servers, load: Load, profile: Profile) -> list[Row]:
    with Cluster(place, profile, "recovery") as cluster:
        gateway = cluster.worker("gateway", "gateway")
        dead = cluster.worker("detect0", "detect")
        send(gateway.port, load.scrapes(0, BEFORE))
        cluster.wait_scored(load.tick_ms(BEFORE), LIMIT_S)
        _wait_saved(cluster, dead.metrics(LIMIT_S)[_SAVED] + profile.partitions)
        assert dead.process is not None
        resident = memory_bytes(dead.process.pid)
        dead.kill()
        killed_s = time.monotonic()
        new = cluster.worker("detect1", "detect")
        ready_s = time.monotonic() - killed_s
        send(gateway.port, load.scrapes(BEFORE, BEFORE + AFTER))
        cluster.wait_scored(load.tick_ms(BEFORE + AFTER), LIMIT_S)
        back_s, cpu_s = time.monotonic() - killed_s, cluster.cpu_s()["detect1"]
        assert new.metrics(LIMIT_S)['aiops_kafka_detect_total{what="cold"}'] == 0, new.log_tail()
    what = f"recovery, {load.series:,} light series in {profile.partitions} partitions"
    return [
        at_most(
            f"{what}: killed to scoring again, session timeout of {SESSION_TIMEOUT_S:g} s included", back_s, "s", GOAL_S
        ),
        Row(f"{what}: of that until the new process listens", ready_s, "s"),
        Row(f"{what}: CPU of the new worker", cpu_s, "s"),
        Row(f"{what}: memory of the worker before", resident / load.series, "bytes/series"),
    ]


_SAVED = 'aiops_kafka_detect_total{what="snapshots"}'


def _wait_saved(cluster: Cluster, count: float) -> None:
    """Wait until each partition was saved once more."""
    worker = cluster.workers[-1]
    wait_for(lambda: worker.metrics(LIMIT_S)[_SAVED] >= count, LIMIT_S, lambda: f"not saved: {worker.log_tail()}")
