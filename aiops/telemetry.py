"""Own metrics in a registry of our own, log lines, and health: how the service tells about itself.

Every metric starts at zero for every label it can have, so that a rate or an alert on it works from the first scrape.
Label values come from fixed lists and from settings, never from data.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal, get_args

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from aiops import __version__
from aiops._cost import Load
from aiops._health import Condition, Health
from aiops._logs import setup_logging
from aiops._scores import ScoreCollector, ScoreRow, Scores
from aiops.events import REASONS, Received
from aiops.model import Anomaly, Event, EventKind, Incident, Kind, Status
from aiops.sources._base import Batch

Result = Literal["sent", "left out", "replaced", "retried", "rejected"]
"""What came of one attempt to notify; replaced = a later notification said it all."""

EVENT_SOURCES = ("alertmanager", "grafana", "api", "other")
RECEIVING = ("alertmanager", "grafana", "events")
ENDPOINTS = (
    *("write", "otlp_metrics", "alertmanager", "grafana", "events", "incidents", "incident", "graph"),
    *("healthy", "ready", "metrics", "overview", "detail", "slack", "other"),
)
ANSWERS = ("ok", "refused", "overloaded", "failed", "gone")

# A cycle takes milliseconds when all is well and must stay far below the step of the data, usually 15-60 s.
_CYCLE_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Telemetry:
    """The service's own metrics.

    Parameters
    ----------
    max_score_series : series shown as `anomaly_score`; those with the highest scores come first
    clock : wall time, unix seconds
    """

    def __init__(self, *, max_score_series: int = 1000, clock: Callable[[], float] = time.time) -> None:
        self.registry = CollectorRegistry()
        self._clock = clock
        self._max_score_series = max_score_series
        self._snapshot_s = clock()
        self._live: dict[str, Status] = {}
        self._anomalies: set[str] = set()
        ProcessCollector(registry=self.registry)
        self._make_source_metrics()
        self._make_machine_metrics()
        self._make_edge_metrics()

    # -- making them, at zero

    def _make_source_metrics(self) -> None:
        self._samples = self._counter("samples", "Samples taken.", "source")
        self._dropped = self._counter("samples_dropped", "Samples left out, and why.", "source", "reason")
        self._watched = self._gauge("watched_series", "Series that are watched.", "source")
        self._banks = self._gauge("bank_series", "Watched series in each bank of detectors.", "source", "bank")
        self._memory = self._gauge("detector_memory_bytes", "Estimated, with history and names.", "source")
        self._refused = self._counter("series_refused", "New series there was no room for.", "source")
        self._evicted = self._counter("series_evicted", "Stopped series that were let go of.", "source")
        self._stopped = self._gauge("series_stopped", "Series that have stopped and are still held.", "source")
        self._lag = self._gauge("cycle_lag_seconds", "How far the data processed last is behind the clock.", "source")
        self._up = self._gauge("source_up", "1 while the source gives data.", "source")
        self._waiting = self._gauge("source_waiting", "1 while a source that is asked gave no sample.", "source")

    def _make_machine_metrics(self) -> None:
        self._cycle = Histogram(
            "aiops_cycle_duration_seconds",
            "Time from a batch to its effects being stored.",
            buckets=_CYCLE_BUCKETS_S,
            registry=self.registry,
        )
        self._found = self._counter("anomalies", "Anomalies that began.", "kind", known=[[k] for k in get_args(Kind)])
        self._moved = self._counter(
            "incidents", "Incidents that reached a status.", "status", known=[[s] for s in get_args(Status)]
        )
        self._open = self._gauge("incidents_open", "Incidents that are open now, flapping ones too.")
        self._rankings_failed = self._counter("rankings_failed", "Rankings that ended in an error.")
        self._store_errors = self._counter("store_errors", "Reads and writes of the store that failed.")
        self._forgiven = self._counter("deviations_forgiven", "Deviations usual at their time of day.", "source")
        age = self._gauge("snapshot_age_seconds", "Time since the detectors were last saved.")
        age.set_function(lambda: self._clock() - self._snapshot_s)
        build = self._gauge("build_info", "Constant 1, labelled with versions.", "version", "python")
        build.labels(__version__, platform.python_version()).set(1)

    def _make_edge_metrics(self) -> None:
        self._notified = self._counter("notifications", "Attempts to notify.", "receiver", "result")
        self._untended = self._counter("receiver_upkeep_failures", "Failures between notifications.", "receiver")
        self._templates = self._counter("template_failures", "Bodies that a template did not make.", "receiver")
        self._pending = self._gauge("outbox_pending", "Notifications waiting to be delivered.")
        self._dead = self._gauge("outbox_dead", "Notifications given up on.")
        events = [[source, kind] for source in EVENT_SOURCES for kind in get_args(EventKind)]
        self._events = self._counter("events", "Events taken.", "source", "kind", known=events)
        rejects = [[source, reason] for source in RECEIVING for reason in REASONS]
        self._rejects = self._counter("events_rejected", "Parts left out.", "source", "reason", known=rejects)
        answers = [[endpoint, answer] for endpoint in ENDPOINTS for answer in ANSWERS]
        self._requests = self._counter("http_requests", "Requests answered.", "endpoint", "result", known=answers)

    def _counter(self, name: str, text: str, *labels: str, known: Iterable[Iterable[str]] = ()) -> Counter:
        counter = Counter(f"aiops_{name}", text, labels, registry=self.registry)
        for values in known:
            counter.labels(*values)
        return counter

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"aiops_{name}", text, labels, registry=self.registry)

    # -- announcing what has labels of its own

    def add_source(self, source: str, *, watched: Callable[[], int] | None = None, reasons: Iterable[str] = ()) -> None:
        """Announce a source, how to ask for the number of its series, and why it may drop samples."""
        self._samples.labels(source)
        self._lag.labels(source)
        self._up.labels(source)
        self._forgiven.labels(source)
        self._refused.labels(source)
        self._evicted.labels(source)
        self._stopped.labels(source)
        self.banks(source, Load(0, 0, 1.0))
        gauge = self._watched.labels(source)
        if watched is not None:
            gauge.set_function(watched)
        for reason in reasons:
            self._dropped.labels(source, reason)

    def add_asked(self, source: str, waits: Callable[[], bool]) -> None:
        """Announce a source that this process may ask for samples; `waits` tells whether it asks and has had none."""
        self._waiting.labels(source).set_function(lambda: float(waits()))

    def add_receiver(self, receiver: str) -> None:
        """Announce somebody who is notified."""
        for result in get_args(Result):
            self._notified.labels(receiver, result)
        self._untended.labels(receiver)
        self._templates.labels(receiver)

    def add_verdicts(self, counts: Mapping[str, int]) -> None:
        """Show how often each verdict was given, undone and refused; `counts` is looked at at every scrape."""
        self.registry.register(_Counts("aiops_verdicts", "Verdicts by what came of them.", "what", counts))

    def add_scores(self, scores: Callable[[int], Scores]) -> None:
        """Show anomaly scores; `scores` is asked for the highest ones, so many, at every scrape."""
        self.registry.register(ScoreCollector(scores, self._max_score_series))

    # -- counting

    def batch(self, source: str, batch: Batch, found: Iterable[Anomaly] = ()) -> None:
        """Count a batch that was processed and the anomalies that began in it."""
        samples = sum(int(np.count_nonzero(~np.isnan(b.values))) for b in batch.blocks)
        self.scored(source, samples, batch.position)
        self._up.labels(source).set(1)
        for anomaly in found:
            self._anomaly(anomaly)

    def scored(self, source: str, samples: int, position_ms: int) -> None:
        """Count samples that were processed, and say up to which time, unix ms."""
        self._samples.labels(source).inc(samples)
        self._lag.labels(source).set(max(0.0, self._clock() - position_ms / 1000))

    def _anomaly(self, anomaly: Anomaly) -> None:
        if anomaly.id not in self._anomalies:
            self._found.labels(anomaly.kind).inc()
            self._anomalies.add(anomaly.id)
        if anomaly.ended_ms is not None:
            self._anomalies.discard(anomaly.id)

    def dropped(self, source: str, reason: str, count: int = 1) -> None:
        """Count samples that were left out."""
        self._dropped.labels(source, reason).inc(count)

    def forgiven(self, source: str, count: int) -> None:
        """Count deviations that were forgiven because they recur."""
        self._forgiven.labels(source).inc(count)

    def banks(self, source: str, load: Load) -> None:
        """Say what the series in each bank are estimated to take."""
        self._banks.labels(source, "full").set(load.full)
        self._banks.labels(source, "light").set(load.light)
        self._memory.labels(source).set(load.memory_bytes)

    def series_refused(self, source: str, count: int) -> None:
        """Count new series that a budget had no room for."""
        self._refused.labels(source).inc(count)

    def series_evicted(self, source: str, count: int, *, stopped: int) -> None:
        """Count series that were let go because they had stopped, and say how many have stopped and are still held."""
        self._evicted.labels(source).inc(count)
        self._stopped.labels(source).set(stopped)

    def watched(self, source: str, count: int) -> None:
        """Say how many series a source has, if it was announced without a way to ask."""
        self._watched.labels(source).set(count)

    def source_up(self, source: str, *, up: bool) -> None:
        """Say whether a source gives data."""
        self._up.labels(source).set(float(up))

    def cycle(self, duration_s: float) -> None:
        """Note how long a cycle took."""
        self._cycle.observe(duration_s)

    def incident(self, incident: Incident) -> None:
        """Note the status of an incident; the same one twice counts once."""
        if self._live.get(incident.id) != incident.status:
            self._moved.labels(incident.status).inc()
        self._live[incident.id] = incident.status
        if incident.status == "resolved":
            del self._live[incident.id]
        self._open.set(sum(status in ("open", "flapping") for status in self._live.values()))

    def ranking_failed(self) -> None:
        """Count a ranking that ended in an error."""
        self._rankings_failed.inc()

    def store_error(self) -> None:
        """Count a failed read or write of the store."""
        self._store_errors.inc()

    def snapshot_taken(self) -> None:
        """Note that the detectors were saved just now."""
        self._snapshot_s = self._clock()

    def notified(self, receiver: str, result: Result) -> None:
        """Count an attempt to notify."""
        self._notified.labels(receiver, result).inc()

    def untended(self, receiver: str) -> None:
        """Count a failure of what a receiver does between notifications, such as sending alerts again."""
        self._untended.labels(receiver).inc()

    def template_failed(self, receiver: str) -> None:
        """Count a notification whose body the receiver's template did not make; it was sent with the usual one."""
        self._templates.labels(receiver).inc()

    def outbox(self, pending: int, dead: int) -> None:
        """Say how many notifications wait and how many were given up on."""
        self._pending.set(pending)
        self._dead.set(dead)

    def event(self, event: Event) -> None:
        """Count an event; a source that is not one of ours is "other": senders choose those names."""
        source = event.source if event.source in EVENT_SOURCES else "other"
        self._events.labels(source, event.kind).inc()

    def told(self, receiving: Literal["alertmanager", "grafana", "events"], got: Received) -> None:
        """Count what was left out of a request."""
        for reason, count in got.rejects:
            self._rejects.labels(receiving, reason).inc(count)

    def answered(self, endpoint: str, status: int) -> None:
        """Count a request by how it was answered; status 0 = not at all."""
        known = endpoint if endpoint in ENDPOINTS else "other"
        self._requests.labels(known, _answer(status)).inc()

    def counter(self, endpoint: str, status: int) -> Callable[[], None]:
        """What counts a request as `answered` does, for an endpoint that is answered very often."""
        return self._requests.labels(endpoint if endpoint in ENDPOINTS else "other", _answer(status)).inc

    def render(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(_WithoutCreated(self.registry))


def _answer(status: int) -> str:
    if status == 0:
        return "gone"
    if status == 503:
        return "overloaded"
    return "failed" if status >= 500 else "refused" if status >= 400 else "ok"


class _Counts(Collector):
    """A counter of what somebody else counts."""

    def __init__(self, name: str, text: str, label: str, counts: Mapping[str, int]) -> None:
        self._about, self._label, self._counts = (name, text), label, counts

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily(*self._about, labels=[self._label])
        for value, count in sorted(self._counts.items()):
            family.add_metric([value], count)
        yield family


class _WithoutCreated(Collector):
    """The same metrics without `_created`: twice the series for a time nobody asks for."""

    def __init__(self, inner: CollectorRegistry) -> None:
        self._inner = inner

    def collect(self) -> Iterator[Metric]:
        for metric in self._inner.collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric


__all__ = ["Condition", "Health", "Result", "ScoreRow", "Scores", "Telemetry", "setup_logging"]
