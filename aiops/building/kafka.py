"""Settings become the roles of a worker on Kafka."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from aiops._budgets import recipe_budget, series_budget
from aiops._secret_file import read_secret
from aiops.building.alertmanager import silenced
from aiops.building.inputs import push_settings, static_graphs
from aiops.building.notifiers import Around, build_notifiers, tended, tickets
from aiops.building.packs import all_packs, chosen, edges
from aiops.building.prometheus import RECENT_S, prometheus_client, pull_source
from aiops.building.rules import detection_rules, maintenance_windows, ranker, triage_settings, verdict_rules
from aiops.config import PrometheusSettings, Settings, source_name
from aiops.delivery import Delivery
from aiops.detection.rules import DetectionRules
from aiops.errors import ConfigError
from aiops.graphs.merged import GraphKeeper
from aiops.graphs.metrics import metrics_graphs
from aiops.kafka.deliver import Publisher
from aiops.kafka.gateway import Gateway, GatewayRules, Put, RoutedSeries
from aiops.kafka.partition import Setup
from aiops.kafka.pasts import RemotePasts
from aiops.kafka.producer import security_of
from aiops.kafka.pull import LeasedPull
from aiops.kafka.topics import TopicSettings
from aiops.kafka.triage import FoundSource, SaidGraph
from aiops.notifiers import Notifier
from aiops.notifiers.silences import Silences
from aiops.packs import Pack
from aiops.pipeline import Pipeline, Shard
from aiops.runners._clock import EventClock
from aiops.runners._ranking import RankFunction
from aiops.runners._saved import Saver
from aiops.runners.embedded import Embedded
from aiops.self_watch import SERVICE, is_ours
from aiops.series import SeriesTable
from aiops.sources import Source
from aiops.sources._pushed_samples import WriteLimits
from aiops.stores.sql import SqlStore
from aiops.stores.workers import LanedOutbox, Leases
from aiops.telemetry import Health, Telemetry
from aiops.triage import Triage
from aiops.verdicts import VerdictBook, no_counts


@dataclass(frozen=True, slots=True)
class Parts:
    """What the roles of one worker are built from.

    Parameters
    ----------
    wall : unix seconds
    steady : seconds that nobody sets
    rank : ranks the suspects of an incident; None = as the settings say
    verdicts : how often each was given, undone and refused through this worker
    """

    settings: Settings
    store: SqlStore
    base: Path
    health: Health
    telemetry: Telemetry
    wall: Callable[[], float] = time.time
    steady: Callable[[], float] = time.monotonic
    rank: RankFunction | None = None
    verdicts: Counter[str] = field(default_factory=no_counts)

    def wall_ms(self) -> int:
        """Unix milliseconds."""
        return int(self.wall() * 1000)

    def book(self) -> VerdictBook:
        """All verdicts as the store has them now: other workers write some of them. Raises `StoreError`."""
        return VerdictBook(self.store, verdict_rules(self.settings), self.wall_ms, lambda _: None, self.verdicts)

    @property
    def packs(self) -> dict[str, Pack]:
        """Signal packs for pushed samples."""
        return chosen(all_packs(self.settings), self.settings.push.packs, "push.packs")


def topic_settings(settings: Settings) -> TopicSettings:
    """How topics are made."""
    one = settings.kafka
    return TopicSettings(one.prefix, one.partitions, one.replication, one.retention_hours)


def security(settings: Settings, base: Path) -> dict[str, Any]:
    """Arguments of Kafka's clients for TLS and SASL."""
    one = settings.kafka
    password = read_secret(one.password_file, base).reveal() if one.password_file else ""
    ca_file = base / one.ca_file if one.ca_file else None
    return security_of(tls=one.tls, ca_file=ca_file, user=one.user, password=password, mechanism=one.mechanism)


def check_kafka(settings: Settings) -> None:
    """Raise `ConfigError` unless these settings can serve several workers."""
    if not settings.kafka.bootstrap:
        raise ConfigError("the configuration", "kafka.bootstrap", "is needed for a role")
    if not settings.store.url:
        raise ConfigError("the configuration", "store.url", "is needed with kafka: workers share a PostgreSQL store")


def build_setup(parts: Parts) -> Setup:
    """What all partitions have in common."""
    settings, packs, budget = parts.settings, parts.packs, series_budget(parts.settings)
    return Setup(
        tuple(packs.values()),
        edges(packs),
        push_settings(settings.push),
        _partition_rules(settings),
        max_series=budget.most,
        history_s=RECENT_S,
        partitions=settings.kafka.partitions,
        limited_by=f"{budget.limited_by} of a partition",
    )


def _partition_rules(settings: Settings) -> DetectionRules:
    """What the detectors of one partition hold to: of the budget that all series share, an equal part.

    By series would be fairer, but what a partition says must follow from its own messages alone.
    """
    rules = detection_rules(settings)
    return replace(rules, page_budget_total_per_week=rules.page_budget_total_per_week / settings.kafka.partitions)


def build_gateway(parts: Parts, put: Put) -> Gateway:
    """What takes pushed samples."""
    one = parts.settings.kafka
    series = RoutedSeries(parts.packs.values(), one.partitions, GatewayRules().max_series)
    limits = WriteLimits(body_bytes=parts.settings.push.max_body_bytes)
    return Gateway(series, put, clock=parts.wall, rules=GatewayRules(linger_s=one.linger_s), limits=limits)


def build_pulls(parts: Parts, holder: str, put: Put) -> list[LeasedPull]:
    """Each Prometheus that is pulled from, by whoever has its lease."""
    one = parts.settings.kafka
    leases = Leases(parts.store, holder, round(one.lease_s * 1000))
    return [
        LeasedPull(
            source_name(prometheus),
            partial(_pulled, parts, prometheus),
            store=parts.store,
            leases=leases,
            renew_s=one.lease_s / 3,
            partitions=one.partitions,
            evict_after_s=detection_rules(parts.settings).evict_after_s,
            put=put,
            clock=parts.wall,
        )
        for prometheus in parts.settings.prometheus
    ]


def _pulled(parts: Parts, one: PrometheusSettings, health: Health) -> Source:
    settings, packs, budget = parts.settings, all_packs(parts.settings), series_budget(parts.settings)
    table = SeriesTable(budget.most * settings.kafka.partitions, budget.limited_by)
    client, most = prometheus_client(one, parts.base), recipe_budget(one, settings, packs)
    return pull_source(one, table, packs, client=client, health=health, wall=parts.wall, most_recipes=most)


def build_triage(
    parts: Parts, found: FoundSource, pasts: RemotePasts, publisher: Publisher, silences: Mapping[str, Silences]
) -> Embedded:
    """The machine that decides, over what all partitions say."""
    settings, clock = parts.settings, EventClock(parts.wall, parts.steady)
    shard = Shard(found, detection_rules(settings))
    found.marks = shard.marks
    receivers = tuple(one.name for one in settings.notifiers)
    triage = Triage(triage_settings(settings, receivers))
    pipeline = Pipeline([shard], triage, maintenance_windows(settings), silenced(silences))
    graphs = [SaidGraph(found), *static_graphs(settings, parts.base)]
    packs = all_packs(settings)
    for one in settings.prometheus:
        graphs.extend(metrics_graphs(source_name(one), prometheus_client(one, parts.base), edges(packs)))
    return Embedded(
        pipeline,
        saver=Saver(
            parts.store,
            clock.wall_ms,
            snapshot_s=settings.detection.snapshot_s,
            keep_days=settings.store.keep_days,
            saved=lambda positions: found.saved(positions.items()),
        ),
        delivery=publisher,
        graphs=GraphKeeper(graphs, refresh_s=settings.graph.refresh_s, max_age_s=settings.graph.max_age_s),
        rank=parts.rank or ranker(settings),
        telemetry=parts.telemetry,
        health=parts.health,
        clock=clock,
        notify_max_age_s=settings.triage.notify_max_age_s,
        pasts=pasts.of,
    )


def build_receivers(parts: Parts) -> dict[str, Notifier]:
    """Everybody who is told, by name."""
    store = parts.store
    around = Around(
        store,
        parts.wall_ms,
        page=parts.settings.listen.public_url,
        ill=partial(_ill, parts),
        live=lambda: [*store.incidents(status="open"), *store.incidents(status="flapping")],
        template_failed=parts.telemetry.template_failed,
        well=parts.health.told,
        incidents=store,
    )
    return build_notifiers(parts.settings, parts.base, around)


def _ill(parts: Parts) -> list[str]:
    """Why this worker is not well, and what the cluster is blind to, as triage has told."""
    ours = [one for one in parts.store.incidents(status="open", service=SERVICE) if is_ours(one)]
    return [*parts.health.reasons(), *(one.title for one in ours if one.severity == "critical")]


def keeping(notifiers: Mapping[str, Notifier]) -> frozenset[str]:
    """Names of receivers that keep something of each incident: one worker at a time serves them."""
    return frozenset((*tended(notifiers), *tickets(notifiers)))


def build_delivery(
    parts: Parts, notifiers: Mapping[str, Notifier], owned: set[int], wanted: Callable[[str], bool]
) -> Delivery:
    """What sends the notifications of the partitions in `owned` to receivers that are `wanted` here."""
    outbox = LanedOutbox(parts.store, parts.settings.kafka.partitions, lambda: frozenset(owned), wanted)
    return Delivery(outbox, notifiers, parts.wall_ms, random.Random())  # noqa: S311 - spreads retries
