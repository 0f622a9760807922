"""What workers on Kafka show in `/metrics`, read when they are asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from aiops.delivery import Delivery
from aiops.kafka.deliver import DeliverWorker
from aiops.kafka.detect import DetectWorker
from aiops.kafka.gateway import Gateway
from aiops.kafka.pull import LeasedPull


class DetectMetrics(Collector):
    """Of the role `detect`. To scale by: `aiops_kafka_lag_seconds` and `aiops_kafka_worker_series`."""

    def __init__(self, worker: DetectWorker, rebalances: Callable[[], int]) -> None:
        self._worker, self._rebalances = worker, rebalances

    def collect(self) -> Iterator[Metric]:
        """All of them."""
        worker, partitions = self._worker, self._worker.partitions
        yield _by_partition("lag_seconds", "Age of the message that was taken in last.", worker.lag_s())
        yield _by_partition("snapshot_age_seconds", "Time since a partition was saved.", worker.snapshot_age_s())
        scored = {n: p.scored_ms / 1000 for n, p in partitions.items() if p.scored_ms is not None}
        yield _by_partition("scored_timestamp_seconds", "Time of the last row that was scored, unix seconds.", scored)
        yield _gauge("partitions", "Partitions of the samples that this worker has.", len(partitions))
        yield _gauge("worker_series", "Series that this worker watches.", sum(p.series for p in partitions.values()))
        lost = sum(p.lost for p in partitions.values())
        yield _counter("samples_unnamed", "Samples whose series was never named.", lost)
        yield _counter("rebalances", "How often partitions were shared out anew.", self._rebalances())
        counts = CounterMetricFamily(
            "aiops_kafka_detect", "Messages and snapshots by what came of them.", labels=["what"]
        )
        for what, count in sorted(worker.counts.items()):
            counts.add_metric([what], count)
        yield counts


class GatewayMetrics(Collector):
    """Of the role `gateway`."""

    def __init__(self, gateway: Gateway, pulls: Sequence[LeasedPull]) -> None:
        self._gateway, self._pulls = gateway, pulls

    def collect(self) -> Iterator[Metric]:
        """All of them."""
        yield _gauge("gateway_series", "Series that this gateway tells apart.", len(self._gateway.series))
        counts = CounterMetricFamily("aiops_kafka_gateway_samples", "Samples by what came of them.", labels=["what"])
        for what, count in sorted(self._gateway.counts.items()):
            counts.add_metric([what], count)
        yield counts
        held = GaugeMetricFamily("aiops_kafka_pull_held", "1 while this worker reads the source.", labels=["source"])
        for pull in self._pulls:
            held.add_metric([pull.name], float(pull.is_held))
        yield held


class Kept(Protocol):
    """Receivers that one worker at a time serves."""

    counts: Counter[tuple[str, str]]

    @property
    def is_held(self) -> bool:
        """It is this worker."""
        ...


class DeliverMetrics(Collector):
    """Of the role `deliver`."""

    def __init__(self, worker: DeliverWorker, delivery: Delivery, keeping: Kept) -> None:
        self._worker, self._delivery, self._keeping = worker, delivery, keeping

    def collect(self) -> Iterator[Metric]:
        """All of them."""
        yield _gauge("deliver_partitions", "Partitions of the notifications this worker has.", len(self._worker.owned))
        held = "1 while this worker serves the receivers that keep something of each incident."
        yield _gauge("keeping_held", held, float(self._keeping.is_held))
        counts = CounterMetricFamily("aiops_kafka_delivered", "Attempts to notify.", labels=["receiver", "result"])
        here, kept = self._delivery.counts, self._keeping.counts
        for receiver, result in sorted({*here, *kept}):
            counts.add_metric([receiver, result], here[receiver, result] + kept[receiver, result])
        yield counts


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"aiops_kafka_{name}", text, value=value)


def _counter(name: str, text: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(f"aiops_kafka_{name}", text, value=value)


def _by_partition(name: str, text: str, values: dict[int, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"aiops_kafka_{name}", text, labels=["partition"])
    for partition, value in sorted(values.items()):
        family.add_metric([str(partition)], value)
    return family
