"""Settings become sources of samples and of the service graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from aiops._budgets import SeriesBudget, recipe_budget, series_budget
from aiops.building.packs import all_packs, chosen, edges
from aiops.building.prometheus import RECENT_S, prometheus_client, pull_source
from aiops.building.rules import detection_rules
from aiops.config import PushSettings as PushConfig
from aiops.config import Settings
from aiops.graphs._base import GraphSource
from aiops.graphs.file import FileGraph
from aiops.graphs.jaeger import JaegerGraph
from aiops.graphs.labels import LabelGraph
from aiops.graphs.metrics import metrics_graphs
from aiops.packs import Pack
from aiops.pipeline import Shard
from aiops.series import SeriesTable
from aiops.sources._pushed_samples import WriteLimits
from aiops.sources._pushed_series import SeriesLimits
from aiops.sources.push import PushSettings, PushSource
from aiops.stores import Store
from aiops.telemetry import Health


@dataclass(frozen=True, slots=True)
class Inputs:
    """Where samples and the graph come from."""

    shards: list[Shard]
    graphs: list[GraphSource]
    push: PushSource | None


def build_inputs(settings: Settings, store: Store, health: Health, base: Path, wall: Callable[[], float]) -> Inputs:
    """All of them, by the settings. Raises `ConfigError` when a setting names something that is not there."""
    packs, rules, budget = all_packs(settings), detection_rules(settings), series_budget(settings)
    inputs = Inputs([], static_graphs(settings, base), None)
    if settings.push.enabled:
        push = _push_source(settings, packs, store, wall, budget)
        inputs.shards.append(Shard(push, rules))
        inputs.graphs.append(LabelGraph("push", edges(packs), push.edges))
        inputs = replace(inputs, push=push)
    for one in settings.prometheus:
        client, table = prometheus_client(one, base), SeriesTable(budget.most, budget.limited_by)
        most = recipe_budget(one, settings, packs)
        source = pull_source(one, table, packs, client=client, health=health, wall=wall, most_recipes=most)
        health.expect(source.name)
        inputs.shards.append(Shard(source, rules))
        inputs.graphs.extend(metrics_graphs(source.name, client, edges(packs)))
    return inputs


def static_graphs(settings: Settings, base: Path) -> list[GraphSource]:
    """Graphs that do not come from samples."""
    graphs: list[GraphSource] = []
    if settings.graph.file:
        graphs.append(FileGraph(base / settings.graph.file))
    if settings.graph.jaeger_url:
        graphs.append(JaegerGraph(settings.graph.jaeger_url))
    return graphs


def push_settings(one: PushConfig) -> PushSettings:
    """How pushed samples are read."""
    return PushSettings(
        step_s=one.step_s,
        lateness_s=one.lateness_s,
        window_s=one.window_s,
        idle_s=one.idle_s,
        max_pending_samples=one.max_pending_samples,
        series=SeriesLimits(max_raw_series=one.max_raw_series),
    )


def _push_source(
    settings: Settings, packs: Mapping[str, Pack], store: Store, wall: Callable[[], float], budget: SeriesBudget
) -> PushSource:
    one = settings.push
    position = store.positions().get("push")
    return PushSource(
        chosen(packs, one.packs, "push.packs").values(),
        SeriesTable(budget.most, budget.limited_by),
        push_settings(one),
        history_before_ms=0 if position is not None else int((wall() - RECENT_S) * 1000),
        clock=wall,
        limits=WriteLimits(body_bytes=one.max_body_bytes),
    )
