"""What the partitions of a worker have in series and memory, told to the metrics of the service by source."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from aiops._cost import Load
from aiops.kafka.detect import DetectWorker
from aiops.kafka.partition import Partition
from aiops.kafka.status import is_silent
from aiops.pipeline import Shard
from aiops.sources._pushed_health import REASONS, PushHealth
from aiops.telemetry import Telemetry


class DetectReport:
    """Carries counts of partitions over into metrics; those of a partition begin anew when it is taken up again.

    Parameters
    ----------
    worker : whose partitions they are
    wall_ms : unix ms
    """

    def __init__(self, worker: DetectWorker, telemetry: Telemetry, wall_ms: Callable[[], int]) -> None:
        self._worker, self._telemetry, self._wall_ms = worker, telemetry, wall_ms
        self._known: set[str] = set()
        self._said: dict[tuple[int, str, str], int] = {}

    def report(self) -> None:
        """Bring the metrics up to date."""
        here: dict[str, list[tuple[Partition, Shard]]] = {name: [] for name in self._known}
        for partition in self._worker.partitions.values():
            for shard in partition.shards:
                here.setdefault(shard.name, []).append((partition, shard))
        for name, parts in here.items():
            if name not in self._known:
                self._known.add(name)
                self._telemetry.add_source(name, reasons=REASONS if name == "push" else ())
            self._source(name, parts)

    def _source(self, name: str, parts: Collection[tuple[Partition, Shard]]) -> None:
        shards = [shard for _, shard in parts]
        self._telemetry.watched(name, sum(len(shard.source.table) for shard in shards))
        banks = [shard.detection.ensemble.bank for shard in shards]
        full, light = sum(bank.full for bank in banks), sum(bank.light for bank in banks)
        self._telemetry.banks(name, Load(full, light, shards[0].source.step_s if shards else 1.0))
        stopped = sum(int(shard.detection.ensemble.silent().sum()) for shard in shards)
        new = dict.fromkeys(("samples", "refused", "evicted", "forgiven", *REASONS), 0)
        heard = [(one, shard.source.step_s) for partition, shard in parts if (one := partition.heard.get(name))]
        for partition, shard in parts:
            given = partition.heard.get(name)
            for what, count in {**_counts(shard), "samples": given.services.samples if given else 0}.items():
                new[what] += self._new(partition.number, name, what, count)
        if heard:
            self._telemetry.scored(name, new["samples"], min(one.position_ms for one, _ in heard))
        # Where it has given nothing, it has not stopped: its partitions may be another worker's by now.
        silent = [is_silent(one.at_ms, step_s, self._wall_ms()) for one, step_s in heard if one.at_ms]
        self._telemetry.source_up(name, up=not silent or not all(silent))
        self._telemetry.series_refused(name, new["refused"])
        self._telemetry.series_evicted(name, new["evicted"], stopped=stopped)
        self._telemetry.forgiven(name, new["forgiven"])
        for reason in REASONS:
            if new[reason]:
                self._telemetry.dropped(name, reason, new[reason])

    def _new(self, partition: int, name: str, what: str, count: int) -> int:
        said = self._said.get((partition, name, what), 0)
        self._said[partition, name, what] = count
        return count - said if count >= said else count


def _counts(shard: Shard) -> Mapping[str, int]:
    counts = {
        "refused": shard.source.table.refused,
        "evicted": shard.evicted,
        "forgiven": shard.detection.forgiven,
    }
    health = getattr(shard.source, "health", None)
    return counts | dict(health.dropped) if isinstance(health, PushHealth) else counts
