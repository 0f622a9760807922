"""What the runner tells its metrics and its health about the parts that only count by themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import get_args

from aiops.delivery import Delivery
from aiops.pipeline import Pipeline, Shard
from aiops.sources._prometheus_health import REASONS as PULL_REASONS
from aiops.sources._prometheus_health import SourceHealth
from aiops.sources._pushed_health import REASONS as PUSH_REASONS
from aiops.sources._pushed_health import PushHealth
from aiops.stores import Store
from aiops.telemetry import Health, Result, Telemetry
from aiops.words import span

SILENT_MS = 300_000  # chosen: a source that had data and has given none for so long is not well
NOT_LOST = frozenset({"samples", "nan", "warnings", "infos", "clock_back", "query_refused", "query_unavailable"})
RESULTS: dict[str, Result] = {"sent": "sent", "left out": "left out", "retried": "retried", "dead": "rejected"}
assert set(RESULTS.values()) == set(get_args(Result))


class Reporter:
    """Carries counts of sources, delivery and store over into metrics and health."""

    def __init__(
        self,
        pipeline: Pipeline,
        delivery: Delivery,
        store: Store,
        *,
        telemetry: Telemetry,
        health: Health,
        wall_ms: Callable[[], int],
    ) -> None:
        self._pipeline, self._delivery, self._store = pipeline, delivery, store
        self._telemetry, self._health, self._wall_ms = telemetry, health, wall_ms
        self._heard_ms: dict[str, int] = {}
        self._failures: dict[str, str] = {}
        self._said: Counter[tuple[str, str]] = Counter()
        for shard in pipeline.shards:
            reasons = PUSH_REASONS if shard.name == "push" else sorted(set(PULL_REASONS) - NOT_LOST)
            telemetry.add_source(shard.name, watched=shard.source.table.__len__, reasons=reasons)
        for receiver in {receiver for receiver, _ in delivery.counts}:
            telemetry.add_receiver(receiver)

    def heard(self, shard: Shard) -> None:
        """Note that a source gave a batch just now."""
        self._heard_ms[shard.name] = self._wall_ms()
        self._failures.pop(shard.name, None)

    def failed(self, shard: Shard, reason: str) -> None:
        """Note that a source has stopped giving batches, for now."""
        self._failures[shard.name] = reason
        self._telemetry.source_up(shard.name, up=False)
        self._health.bad(shard.name, reason)

    def report(self) -> None:
        """Bring metrics and health up to date. Raises `StoreError` when the store cannot be asked for its sizes."""
        for shard in self._pipeline.shards:
            self._shard(shard)
        for (receiver, outcome), count in self._delivery.counts.items():
            for _ in range(self._new(receiver, outcome, count)):
                self._telemetry.notified(receiver, RESULTS[outcome])
        sizes = self._store.counts()
        self._telemetry.outbox(sizes["outbox"], sizes["dead"])

    def _shard(self, shard: Shard) -> None:
        said = getattr(getattr(shard.source, "found", shard.source), "health", None)
        lost: Mapping[str, int] = {}
        if isinstance(said, PushHealth):
            lost = said.dropped
        elif isinstance(said, SourceHealth):
            lost = {reason: count for reason, count in said.counters.items() if reason not in NOT_LOST}
        for reason, count in lost.items():
            self._telemetry.dropped(shard.name, reason, self._new(shard.name, reason, count))
        self._telemetry.forgiven(shard.name, self._new(shard.name, "forgiven", shard.detection.forgiven))
        if shard.name in self._heard_ms:
            wrong = self._wrong(shard, said)
            self._telemetry.source_up(shard.name, up=not wrong)
            if wrong:
                self._health.bad(shard.name, wrong)
            else:
                self._health.good(shard.name)

    def _wrong(self, shard: Shard, said: object) -> str:
        """Why a source that has given data is not well; empty if it is."""
        if shard.name in self._failures:
            return self._failures[shard.name]
        if isinstance(said, SourceHealth) and not said.up:
            return said.last_error or "does not answer"
        silent_ms = self._wall_ms() - self._heard_ms[shard.name]
        if silent_ms > SILENT_MS + 10_000 * shard.source.step_s:
            return f"no samples for {span(silent_ms)}"
        return "nearly all series are missing at once" if shard.detection.blind else ""

    def _new(self, name: str, what: str, count: int) -> int:
        new = count - self._said[name, what]
        self._said[name, what] = count
        return max(0, new)
