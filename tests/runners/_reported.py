"""A reporter and the parts that it asks: sources, receivers, a store."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field

from aiops.delivery import Delivery
from aiops.errors import StoreError
from aiops.pipeline import Pipeline, Shard
from aiops.runners._report import Reporter
from aiops.series import SeriesTable
from aiops.sources._prometheus_health import REASONS, SourceHealth
from aiops.sources._pushed_health import PushHealth
from aiops.telemetry import Health, Telemetry
from aiops.triage import Triage

T0 = 1_700_000_000_000
STEP_S = 60.0
SILENT_AFTER_MS = 132_000
"""2.2 steps."""


@dataclass
class Told:
    """A source of which only its name, its table and what it says of itself matter."""

    name: str
    health: object = None
    step_s: float = STEP_S
    table: SeriesTable = field(default_factory=SeriesTable)


@dataclass
class Found:
    """A source that looked for another one first."""

    name: str
    found: object = None
    step_s: float = STEP_S
    table: SeriesTable = field(default_factory=SeriesTable)


@dataclass
class Sizes:
    outbox: int = 0
    dead: int = 0
    fails: bool = False

    def counts(self):
        if self.fails:
            raise StoreError("disk cannot be read")
        return {"outbox": self.outbox, "dead": self.dead}


class Reported:
    """A reporter, its clock, and what it has said."""

    def __init__(self, *sources, receivers=()):
        self.now_ms, self.jumped_ms = T0, 0
        self.telemetry, self.health, self.store = Telemetry(), Health(lambda: self.now_ms / 1000), Sizes()
        self.pipeline = Pipeline([Shard(source) for source in sources], Triage())
        self.delivery = Delivery(self.store, dict.fromkeys(receivers), lambda: self.now_ms, random.Random(1))
        self.reporter = Reporter(
            self.pipeline,
            self.delivery,
            self.store,
            telemetry=self.telemetry,
            health=self.health,
            wall_ms=lambda: self.now_ms,
            steady=lambda: (self.now_ms - self.jumped_ms) / 1000,
        )

    @property
    def shard(self):
        return self.pipeline.shards[0]

    def metric(self, name, **labels):
        """The value of one series; None if it is not there."""
        inner = ",".join(f'{k}="{v}"' for k, v in sorted(labels.items()))
        wanted = re.escape(f"aiops_{name}" + (f"{{{inner}}}" if inner else ""))
        found = re.search(rf"^{wanted} (\S+)$", self.telemetry.render().decode(), re.MULTILINE)
        return found and float(found[1])

    def dropped(self, reason):
        return self.metric("samples_dropped_total", source=self.shard.name, reason=reason)

    def up(self):
        return self.metric("source_up", source=self.shard.name)


def push_health(**dropped):
    empty = dict.fromkeys(("received", "accepted", "unwatched", "refused", "pending", "raw_series", "signals"), 0)
    return PushHealth(**empty, dropped=dropped, skipped={}, closed_ms=None)


def pull_health(*, up=True, last_error="", **counters):
    return SourceHealth(up=up, last_error=last_error, counters={**dict.fromkeys(REASONS, 0), **counters})


# -- what was lost
