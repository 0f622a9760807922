"""Builds everything from settings. The only place that constructs plug-ins."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from starlette.applications import Starlette

from aiops._kernels import compile_kernels
from aiops._maintenance import Window
from aiops._track import TrackRules
from aiops.backend import ServiceBackend, score_rows
from aiops.config import ConsoleNotifier as ConsoleSettings
from aiops.config import PrometheusSettings, Settings, source_name
from aiops.delivery import Delivery
from aiops.detection import DetectionRules
from aiops.errors import ConfigError, Unavailable
from aiops.graphs._base import GraphSource
from aiops.graphs.file import FileGraph
from aiops.graphs.jaeger import JaegerGraph
from aiops.graphs.labels import LabelGraph
from aiops.graphs.merged import GraphKeeper
from aiops.graphs.metrics import metrics_graphs
from aiops.model import Incident
from aiops.notifiers import Notifier
from aiops.notifiers.console import ConsoleNotifier
from aiops.notifiers.webhook import WebhookNotifier
from aiops.packs import EdgeRule, Pack, Recipe
from aiops.packs.load import load_all, parse_recipes
from aiops.packs.match import present
from aiops.packs.promql import query
from aiops.pipeline import Pipeline, Shard
from aiops.runners._clock import EventClock
from aiops.runners._saved import Saver
from aiops.runners.embedded import Embedded
from aiops.second_opinion import with_second_opinion
from aiops.secret import Secret
from aiops.series import SeriesTable
from aiops.sources import Source
from aiops.sources._pushed_samples import WriteLimits
from aiops.sources._pushed_series import SeriesLimits
from aiops.sources.auto import AutoSource
from aiops.sources.prometheus import Connection, PrometheusClient, PrometheusSource, Timing
from aiops.sources.push import PushSettings, PushSource
from aiops.stores import Store
from aiops.stores.sqlite import SqliteStore
from aiops.telemetry import Health, Telemetry
from aiops.triage import Triage, TriageSettings
from aiops.web._base import WebSettings
from aiops.web.app import build_app
from aiops.web.server import serve
from rca import Case, Ranking, default_ranker

RECENT_S = 3600.0  # before the first start, older samples than this are history: they teach and raise nothing
Listening = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Service:
    """The whole service, ready to run."""

    settings: Settings
    pipeline: Pipeline
    runner: Embedded
    web: Starlette
    store: Store

    async def run(self, stop: asyncio.Event, listening: Listening | None = None) -> None:
        """Run until `stop` is set. `listening` is told host and port once the web server takes requests."""
        listen = self.settings.listen

        async def serve_web() -> None:
            await serve(self.web, listen.host, listen.port, stop=stop, listening=listening)

        try:
            # Before the first request is taken: a sender would time out on a compiler that holds up the loop.
            await asyncio.to_thread(compile_kernels)
            await self.runner.run(stop, serve_web)
        finally:
            self.store.close()


def build(
    settings: Settings,
    *,
    base: Path = Path(),
    wall: Callable[[], float] = time.time,
    steady: Callable[[], float] = time.monotonic,
    opened: Callable[[Incident], None] | None = None,
) -> Service:
    """Build the service.

    Parameters
    ----------
    base : folder that relative file names in the settings start from
    wall : unix seconds
    steady : seconds that nobody sets
    opened : told of each incident that is saved, new or changed

    Raises
    ------
    ConfigError : a setting names something that is not there
    StoreError : the store cannot be opened
    """
    store = SqliteStore(base / settings.store.path)
    try:
        return _assembled(settings, store, base=base, clock=EventClock(wall, steady), wall=wall, opened=opened)
    except BaseException:
        store.close()
        raise


# -- parts that commands use on their own


def all_packs(settings: Settings) -> dict[str, Pack]:
    """The packs that come with the package, and the settings' own recipes as one more."""
    packs = dict(load_all())
    if settings.signals:
        recipes = parse_recipes(settings.signals, "the configuration", "signals")
        detect = tuple(sorted({r.of.metric for r in recipes}))
        packs = {"config": Pack("config", "own signals", detect, recipes)} | packs
    return packs


def chosen(packs: Mapping[str, Pack], names: Sequence[str] | str, where: str) -> dict[str, Pack]:
    """The named packs, in order of precedence; "auto" = all of them.

    Raises
    ------
    ConfigError : there is no pack of that name
    """
    if isinstance(names, str):
        return dict(packs)
    for name in names:
        if name not in packs:
            raise ConfigError("the configuration", where, f"there is no pack {name!r}; there are {', '.join(packs)}")
    return {name: pack for name, pack in packs.items() if name in names or name == "config"}


def prometheus_client(one: PrometheusSettings, base: Path) -> PrometheusClient:
    """A client for a configured Prometheus."""
    auth = one.basic_auth
    connection = Connection(
        url=one.url,
        headers={name: Secret(value) for name, value in one.headers.items()},
        user=auth.username if auth else "",
        password=_secret(auth.password_file, base) if auth else None,
        bearer_token_file=base / one.bearer_token_file if one.bearer_token_file else None,
        ca_file=base / one.ca_file if one.ca_file else None,
        tenant=one.tenant,
        timeout_s=one.timeout_s,
        max_points=one.max_points,
    )
    return PrometheusClient(connection, concurrency=one.concurrency)


def prometheus_source(
    one: PrometheusSettings,
    client: PrometheusClient,
    recipes: Sequence[Recipe],
    table: SeriesTable,
    wall: Callable[[], float] = time.time,
) -> PrometheusSource:
    """A source over recipes that are known."""
    window_s = one.window_s or max(60.0, 4 * one.step_s)
    return PrometheusSource(
        source_name(one),
        client,
        recipes,
        table,
        query_of=lambda recipe: query(recipe, window_s),
        timing=Timing(
            step_s=one.step_s,
            lateness_s=one.lateness_steps * one.step_s,
            history_s=one.history_days * 86_400.0,
            recent_s=RECENT_S,
            max_catch_up_s=one.catch_up_hours * 3600.0,
        ),
        clock=wall,
    )


async def matching_recipes(
    one: PrometheusSettings, client: PrometheusClient, packs: Mapping[str, Pack]
) -> tuple[Recipe, ...]:
    """Recipes that can give something on this Prometheus."""
    names = await client.metric_names()
    wanted = chosen(packs, one.packs, "prometheus.packs")
    return tuple(recipe for pack in present(wanted, names).values() for recipe in pack.recipes)


def detection_rules(settings: Settings) -> DetectionRules:
    """Detection's part of the settings."""
    one = settings.detection
    track = TrackRules(
        needed=one.needed, of=one.of, hold_s=one.hold_s, gone_s=one.gone_s, accept_s=one.accept_hours * 3600.0
    )
    return DetectionRules(
        one.page_budget_per_30d,
        one.evidence_budget_per_30d,
        track,
        watch_change_s=one.watch_change_s,
        settle_s=one.settle_s,
        utc_offset_s=one.utc_offset_hours * 3600.0,
        maintenance=maintenance_windows(settings),
    )


def maintenance_windows(settings: Settings) -> tuple[Window, ...]:
    """When services are worked on, by the settings."""
    return tuple(
        Window(int(one.start.timestamp() * 1000), int(one.end.timestamp() * 1000), one.reason, tuple(one.services))
        for one in settings.maintenance
    )


def ranker(settings: Settings) -> Callable[[Case], Ranking]:
    """What ranks the suspects of an incident."""
    rank = default_ranker().rank
    return with_second_opinion(rank) if settings.detection.second_opinion else rank


def triage_settings(settings: Settings, receivers: tuple[str, ...]) -> TriageSettings:
    """Triage's part of the settings."""
    one = settings.triage
    return TriageSettings(
        group_wait_s=one.group_wait_s,
        hold_s=one.hold_s,
        window_s=one.window_s,
        max_hops=one.max_hops,
        rank_timeout_s=one.rank_timeout_s,
        max_age_s=one.alert_max_age_hours * 3600.0,
        receivers=receivers,
    )


def build_notifiers(settings: Settings, base: Path) -> dict[str, Notifier]:
    """Everybody who is told, by name."""
    notifiers: dict[str, Notifier] = {}
    for one in settings.notifiers:
        if isinstance(one, ConsoleSettings):
            notifiers[one.name] = ConsoleNotifier()
        else:
            token = _secret(one.token_file, base) if one.token_file else None
            notifiers[one.name] = WebhookNotifier(one.url, headers=one.headers, token=token, timeout_s=one.timeout_s)
    return notifiers


# -- inside


@dataclass(frozen=True, slots=True)
class _Inputs:
    """Where samples and the graph come from."""

    shards: list[Shard]
    graphs: list[GraphSource]
    push: PushSource | None


def _assembled(
    settings: Settings,
    store: Store,
    *,
    base: Path,
    clock: EventClock,
    wall: Callable[[], float],
    opened: Callable[[Incident], None] | None,
) -> Service:
    health, telemetry = Health(wall), Telemetry(max_score_series=settings.listen.max_score_series, clock=wall)
    inputs, notifiers = _inputs(settings, store, health, base, wall), build_notifiers(settings, base)
    triage = Triage(triage_settings(settings, tuple(notifiers)))
    pipeline = Pipeline(inputs.shards, triage, maintenance_windows(settings))
    runner = Embedded(
        pipeline,
        saver=_saver(settings, store, clock),
        delivery=Delivery(store, notifiers, clock.wall_ms, random.Random()),  # noqa: S311 - spreads retries
        graphs=GraphKeeper(inputs.graphs, refresh_s=settings.graph.refresh_s, max_age_s=settings.graph.max_age_s),
        rank=ranker(settings),
        telemetry=telemetry,
        health=health,
        clock=clock,
        notify_max_age_s=settings.triage.notify_max_age_s,
        opened=opened,
    )
    telemetry.add_scores(lambda: score_rows(pipeline))
    limits = WriteLimits(body_bytes=settings.push.max_body_bytes)
    backend = ServiceBackend(store, pipeline, telemetry, health, runner.wake, inputs.push, limits)
    web = build_app(backend, _web_settings(settings, base), telemetry=telemetry, clock=wall)
    return Service(settings, pipeline, runner, web, store)


def _saver(settings: Settings, store: Store, clock: EventClock) -> Saver:
    return Saver(store, clock.wall_ms, snapshot_s=settings.detection.snapshot_s, keep_days=settings.store.keep_days)


def _inputs(settings: Settings, store: Store, health: Health, base: Path, wall: Callable[[], float]) -> _Inputs:
    packs, rules = all_packs(settings), detection_rules(settings)
    inputs = _Inputs([], _static_graphs(settings, base), None)
    if settings.push.enabled:
        push = _push_source(settings, packs, store, wall)
        inputs.shards.append(Shard(push, rules))
        inputs.graphs.append(LabelGraph("push", _edges(packs), push.edges))
        inputs = replace(inputs, push=push)
    for one in settings.prometheus:
        client, table = prometheus_client(one, base), SeriesTable(settings.limits.max_series)
        source = _pull_source(one, table, packs, client=client, health=health, wall=wall)
        inputs.shards.append(Shard(source, rules))
        inputs.graphs.extend(metrics_graphs(source.name, client, _edges(packs)))
    return inputs


def _edges(packs: Mapping[str, Pack]) -> tuple[EdgeRule, ...]:
    return tuple(edge for pack in packs.values() for edge in pack.edges)


def _static_graphs(settings: Settings, base: Path) -> list[GraphSource]:
    graphs: list[GraphSource] = []
    if settings.graph.file:
        graphs.append(FileGraph(base / settings.graph.file))
    if settings.graph.jaeger_url:
        graphs.append(JaegerGraph(settings.graph.jaeger_url))
    return graphs


def _push_source(settings: Settings, packs: Mapping[str, Pack], store: Store, wall: Callable[[], float]) -> PushSource:
    one = settings.push
    position = store.positions().get("push")
    limits = SeriesLimits(max_raw_series=one.max_raw_series)
    return PushSource(
        chosen(packs, one.packs, "push.packs").values(),
        SeriesTable(settings.limits.max_series),
        PushSettings(
            step_s=one.step_s,
            lateness_s=one.lateness_s,
            window_s=one.window_s,
            idle_s=one.idle_s,
            max_pending_samples=one.max_pending_samples,
            series=limits,
        ),
        history_before_ms=0 if position is not None else int((wall() - RECENT_S) * 1000),
        clock=wall,
    )


def _pull_source(
    one: PrometheusSettings,
    table: SeriesTable,
    packs: Mapping[str, Pack],
    *,
    client: PrometheusClient,
    health: Health,
    wall: Callable[[], float],
) -> AutoSource:
    name = source_name(one)
    chosen(packs, one.packs, "prometheus.packs")
    health.expect(name)

    async def find() -> Source:
        recipes = await matching_recipes(one, client, packs)
        if not recipes:
            raise Unavailable(
                "no signal pack matches its metrics; `aiops init` says what there is, `signals` adds your own"
            )
        health.good(name)
        return prometheus_source(one, client, recipes, table, wall)

    return AutoSource(name, table, one.step_s, find=find, failed=lambda reason: health.bad(name, reason))


def _web_settings(settings: Settings, base: Path) -> WebSettings:
    one = settings.listen
    web = WebSettings(max_write_bytes=settings.push.max_body_bytes)
    if one.token_file:
        web = replace(web, token=_secret(one.token_file, base))
    if one.grafana_secret_file:
        web = replace(web, grafana_secret=_secret(one.grafana_secret_file, base))
    return web


def _secret(name: str, base: Path) -> Secret:
    try:
        return Secret((base / name).read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("the configuration", name, f"cannot be read: {error}") from error
