"""What the runner tells its metrics and its health about the parts that only count by themselves."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import get_args

from aiops._cost import Load
from aiops.delivery import Carrier
from aiops.pipeline import Pipeline, Shard
from aiops.runners._lag import Lag
from aiops.runners._seen import ServicesSeen
from aiops.sources import Batch
from aiops.sources._prometheus_health import REASONS as PULL_REASONS
from aiops.sources._prometheus_health import SourceHealth
from aiops.sources._pushed_health import REASONS as PUSH_REASONS
from aiops.sources._pushed_health import PushHealth
from aiops.stores import Store
from aiops.telemetry import Health, Result, Telemetry
from aiops.words import span

SILENT_STEPS = 2.2  # chosen: two batches are missing, and a little of the third
SILENT_S = 10.0  # chosen: at steps of a few seconds a busy machine is late by more than that many steps
SILENT_GAPS = 1.5  # chosen: of the longest of its latest gaps; some senders send less often than every step
LIVE_STEPS = 10  # chosen: data further behind is being caught up with
GAPS = 20  # latest gaps looked at; chosen
FAILING_MS = 30_000  # chosen: a receiver that asks to wait for some seconds is well
BUSY_MS = 75_000  # chosen: two and a half usual steps in one cycle
JUMP_MS = 5_000  # chosen: no clock is slewed by that much between two reports
JUMPED_FOR_MS = 180_000  # chosen: how long a jump of the clock is said
NOT_LOST = frozenset({"samples", "nan", "warnings", "infos", "clock_back", "query_refused", "query_unavailable"})
RESULTS: dict[str, Result] = {
    "sent": "sent",
    "left out": "left out",
    "replaced": "replaced",
    "retried": "retried",
    "dead": "rejected",
}
assert set(RESULTS.values()) == set(get_args(Result))


class Reporter:
    """Carries counts of sources, delivery and store over into metrics and health."""

    def __init__(
        self,
        pipeline: Pipeline,
        delivery: Carrier,
        store: Store,
        *,
        telemetry: Telemetry,
        health: Health,
        wall_ms: Callable[[], int],
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pipeline, self._delivery, self._store = pipeline, delivery, store
        self._telemetry, self._health, self._wall_ms = telemetry, health, wall_ms
        self._steady = steady
        self._ahead_ms = wall_ms() - steady() * 1000
        self._jumped_ms: int | None = None
        self._working_ms: int | None = None
        self._heard_ms: dict[str, int] = {}
        self._gaps_ms = {shard.name: deque[int]([0], GAPS) for shard in pipeline.shards}
        self._lag = {shard.name: Lag(shard.source.step_s) for shard in pipeline.shards}
        self._seen = {shard.name: ServicesSeen(shard.source.table, shard.source.step_s) for shard in pipeline.shards}
        self._failures: dict[str, str] = {}
        self._said: Counter[tuple[str, str]] = Counter()
        for shard in pipeline.shards:
            reasons = PUSH_REASONS if shard.name == "push" else sorted(set(PULL_REASONS) - NOT_LOST)
            telemetry.add_source(shard.name, watched=shard.source.table.__len__, reasons=reasons)
            # Push is open whether or not anybody is to send: nobody waits for its first sample.
            if shard.name != "push":
                telemetry.add_asked(shard.name, partial(self._waits, shard.name))
        for receiver in {receiver for receiver, _ in delivery.counts}:
            telemetry.add_receiver(receiver)

    def heard(self, shard: Shard, batch: Batch | None = None) -> None:
        """Note that a source gave a batch just now; one without any value says nothing."""
        blocks = batch.blocks if batch else ()
        seen = [self._seen[shard.name].note(block) for block in blocks if len(block.times)]
        if blocks and not any(seen):
            return
        now_ms = self._wall_ms()
        if batch is not None and not batch.history and shard.name in self._heard_ms:
            self._gaps_ms[shard.name].append(now_ms - self._heard_ms[shard.name])
        if batch is not None and not batch.history:
            self._lag[shard.name].note(now_ms - batch.position, now_ms)
        self._heard_ms[shard.name] = now_ms
        self._failures.pop(shard.name, None)

    def working(self, *, now: bool) -> None:
        """Note that a cycle has begun or ended."""
        self._working_ms = self._wall_ms() if now else None

    def failed(self, shard: Shard, reason: str) -> None:
        """Note that a source has stopped giving batches, for now."""
        self._failures[shard.name] = reason
        self._telemetry.source_up(shard.name, up=False)
        self._health.bad(shard.name, reason)

    def report(self) -> None:
        """Bring metrics and health up to date. Raises `StoreError` when the store cannot be asked for its sizes."""
        self._clock()
        self._cycle()
        for shard in self._pipeline.shards:
            self._shard(shard)
        self._services()
        self._receivers()
        for (receiver, outcome), count in self._delivery.counts.items():
            for _ in range(self._new(receiver, outcome, count)):
                self._telemetry.notified(receiver, RESULTS[outcome])
        sizes = self._store.counts()
        self._telemetry.outbox(sizes["outbox"], sizes["dead"])
        dead = sizes["dead"]
        lost = f"{dead} will not be delivered: see `aiops dead-letters`, replay them when the reason is mended"
        self._say("dead letters", lost if dead else "", is_warning=True)

    # -- parts

    def _clock(self) -> None:
        now_ms = self._wall_ms()
        ahead_ms = now_ms - self._steady() * 1000
        by_ms, self._ahead_ms = ahead_ms - self._ahead_ms, ahead_ms
        if abs(by_ms) > JUMP_MS:
            way = "forward" if by_ms > 0 else "back"
            self._say("clock", f"was set {way} by {span(round(abs(by_ms)))}", is_warning=True)
            self._jumped_ms = now_ms
        elif self._jumped_ms is None or not self._jumped_ms <= now_ms < self._jumped_ms + JUMPED_FOR_MS:
            self._say("clock", "")

    def _cycle(self) -> None:
        busy_ms = self._wall_ms() - self._working_ms if self._working_ms is not None else 0
        too_long = f"one cycle has been going on for {span(busy_ms)}: nothing is detected meanwhile"
        self._say("detection", too_long if busy_ms > BUSY_MS else "", since_ms=self._working_ms)

    def _services(self) -> None:
        """Services that had samples and have none, unless an incident is about them already."""
        known = {s for i in self._pipeline.triage.incidents() if i.status != "resolved" for s in i.services}
        lost: dict[str, int] = {}
        for shard in self._pipeline.shards:
            seen, condition = self._seen[shard.name], self._health.condition(shard.name)
            # Of data that catches up nothing can be said: it is over.
            is_live = self._wall_ms() - seen.last_ms < LIVE_STEPS * 1000 * shard.source.step_s
            if condition and condition.ok and is_live:
                lost |= {name: at_ms for name, at_ms in seen.lost().items() if name not in known}
        for part in self._health.conditions():
            if part.startswith("service ") and part.removeprefix("service ") not in lost:
                self._health.good(part)
        for name, at_ms in lost.items():
            self._health.warn(f"service {name}", "no samples, although its source gives others", since_ms=at_ms)

    def _receivers(self) -> None:
        for name in self._delivery.receivers:
            since_ms, reason = self._delivery.failing.get(name, (0, ""))
            fails = bool(reason) and self._wall_ms() - since_ms >= FAILING_MS
            self._say(f"receiver {name}", f"does not take notifications: {reason}" if fails else "", since_ms=since_ms)

    def _say(self, part: str, reason: str, *, since_ms: int | None = None, is_warning: bool = False) -> None:
        if not reason:
            self._health.good(part)
        elif is_warning:
            self._health.warn(part, reason, since_ms=since_ms)
        else:
            self._health.bad(part, reason, since_ms=since_ms)

    def _shard(self, shard: Shard) -> None:
        said = getattr(getattr(shard.source, "found", shard.source), "health", None)
        lost: Mapping[str, int] = {}
        if isinstance(said, PushHealth):
            lost = said.dropped
        elif isinstance(said, SourceHealth):
            lost = {reason: count for reason, count in said.counters.items() if reason not in NOT_LOST}
        for reason, count in lost.items():
            self._telemetry.dropped(shard.name, reason, self._new(shard.name, reason, count))
        self._budget(shard)
        self._telemetry.forgiven(shard.name, self._new(shard.name, "forgiven", shard.detection.forgiven))
        if shard.name in self._heard_ms:
            wrong = self._wrong(shard, said)
            silent_ms = self._wall_ms() - self._heard_ms[shard.name]
            is_silent = not wrong and silent_ms > self._patience_ms(shard)
            if is_silent:
                # Not from now on: since its last batch.
                wrong = f"no samples for {span(silent_ms)}"
            self._telemetry.source_up(shard.name, up=not wrong)
            self._say(shard.name, wrong, since_ms=self._heard_ms[shard.name] if is_silent else None)
            # Who says nothing is not behind as well.
            lag = self._lag[shard.name]
            behind = "" if wrong else lag.said(self._wall_ms())
            self._say(f"lag of {shard.name}", behind, since_ms=lag.since_ms, is_warning=True)

    def _waits(self, name: str) -> bool:
        return not self._seen[name].samples

    def _budget(self, shard: Shard) -> None:
        """What the series of a source take, and whether there was no room for some."""
        table, bank = shard.source.table, shard.detection.ensemble.bank
        self._telemetry.banks(shard.name, Load(bank.full, bank.light, shard.source.step_s))
        self._telemetry.series_refused(shard.name, self._new(shard.name, "series refused", table.refused))
        stopped = int(shard.detection.ensemble.silent().sum())
        new = self._new(shard.name, "series evicted", shard.evicted)
        self._telemetry.series_evicted(shard.name, new, stopped=stopped)
        full = (
            f"{table.limited_by} is reached: {len(table):,} series are watched and new ones were refused "
            f"{table.refused:,} times; raise it, or watch less by prometheus.packs or push.packs"
        )
        self._say(f"series of {shard.name}", full if table.refused else "", is_warning=True)

    def _patience_ms(self, shard: Shard) -> float:
        longest_ms = min(max(self._gaps_ms[shard.name]), 10_000 * shard.source.step_s)
        return max(SILENT_STEPS * 1000 * shard.source.step_s, SILENT_GAPS * longest_ms, SILENT_S * 1000)

    def _wrong(self, shard: Shard, said: object) -> str:
        """Why a source that has given data is not well; empty if it is."""
        if shard.name in self._failures:
            return self._failures[shard.name]
        if isinstance(said, SourceHealth) and not said.up:
            return said.last_error or "does not answer"
        return "nearly all series are missing at once" if shard.detection.blind else ""

    def _new(self, name: str, what: str, count: int) -> int:
        new = count - self._said[name, what]
        self._said[name, what] = count
        return max(0, new)
