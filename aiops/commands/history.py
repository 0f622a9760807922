"""`aiops replay`: history through the whole pipeline."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from aiops import app, config
from aiops.commands._json import print_json
from aiops.commands._progress import progress_bar
from aiops.errors import InputError
from aiops.graphs.file import FileGraph
from aiops.graphs.merged import GraphKeeper
from aiops.graphs.metrics import metrics_graphs
from aiops.history import History
from aiops.model import Event
from aiops.pipeline import ROWS, Pipeline, Shard
from aiops.runners.replay import Replay, Replayed
from aiops.series import SeriesTable
from aiops.sources import Batch
from aiops.sources._prometheus_alerts import past_alerts
from aiops.sources._prometheus_answer import Window
from aiops.sources.prometheus import PrometheusSource
from aiops.sources.replay_file import ReplayFile, saved_to
from aiops.telemetry import setup_logging
from aiops.triage import Triage
from aiops.web.render import incident_dict
from aiops.words import counted, moment, plain
from rca import ServiceGraph, default_ranker

_AGO = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


@dataclass(frozen=True, slots=True)
class Period:
    """What is replayed, unix ms, both ends included."""

    start_ms: int
    end_ms: int


def run_replay(
    *,
    prometheus: str,
    start: str,
    end: str,
    file: Path | None,
    settings_file: Path | None,
    save: Path | None,
    only_alerts: bool = False,
    output: Literal["text", "json"],
) -> None:
    """Replay a period of a Prometheus, or a file, and print what would have been told.

    Raises
    ------
    InputError : arguments do not fit, a time or the file is wrong
    SourceError : the Prometheus does not answer or refuses
    """
    setup_logging("warning")
    settings = config.load(settings_file) if settings_file else config.Settings()
    base = settings_file.parent if settings_file else Path()
    if file is not None:
        if prometheus or start or end or save:
            raise InputError("--file excludes --prometheus, --start, --end and --save")
        result = asyncio.run(_of_file(file, settings, base))
    else:
        period = _period(start, end)
        one = _wanted(settings, prometheus)
        result = asyncio.run(_of_prometheus(one, period, settings, base, save=save, only_alerts=only_alerts))
    if output == "json":
        print_json(as_dict(result))
    else:
        print_result(result)


def as_dict(result: Replayed) -> dict[str, object]:
    """A replay's result in plain values."""
    return {
        "alerts": result.alerts,
        "events": result.events,
        "samples": result.samples,
        "cpu_seconds": round(result.cpu_s, 3),
        "pages": result.pages(),
        "held_back": dict(result.suppressed),
        "incidents": [incident_dict(i) for i in result.incidents.values()],
    }


def print_result(result: Replayed) -> None:
    """Write each incident as the console would have shown it, and what came of all."""
    from rich.console import Console

    from aiops.notifiers.console import print_incident

    console = Console(highlight=False, emoji=False)
    for incident in sorted(result.incidents.values(), key=lambda i: (i.started_ms, i.id)):
        print_incident(console, incident, incident.updated_ms)
        console.print()
    if result.first_ms is not None and result.last_ms is not None:
        console.print(f"{moment(result.first_ms)} to {moment(result.last_ms)}", soft_wrap=True)
    console.print(
        f"{counted(result.alerts, 'alert')} -> {counted(len(result.incidents), 'incident')} -> "
        f"{counted(result.pages(), 'page')}; "
        f"{plain(result.samples)} samples in {result.cpu_s:.1f} s of our own time",
        soft_wrap=True,
    )
    if not result.samples and not result.alerts:
        console.print("Nothing was found there: does the server keep that time, and has it data of it?", soft_wrap=True)
    if result.suppressed:
        console.print("Held back:", soft_wrap=True)
    for reason, count in result.suppressed.most_common():
        console.print(f"{count:6d}  {reason}", soft_wrap=True, markup=False)


async def _of_file(path: Path, settings: config.Settings, base: Path) -> Replayed:
    source = ReplayFile(path, SeriesTable(settings.limits.max_series))
    shard = Shard(source, app.detection_rules(settings), History(2 * ROWS))
    pipeline = Pipeline([shard], Triage(app.triage_settings(settings, ("replay",))), app.maintenance_windows(settings))
    known = await FileGraph(base / settings.graph.file).read(0) if settings.graph.file else ServiceGraph()
    batches = _with_measured_calls(source, pipeline, known)
    return await Replay(pipeline, default_ranker().rank).run(shard, batches)


async def _with_measured_calls(source: ReplayFile, pipeline: Pipeline, known: ServiceGraph) -> AsyncIterator[Batch]:
    """The batches of a file; calls that it holds measurements of are edges of the graph, for want of a better one."""
    numbered = -1
    async for batch in source.read(None):
        if len(source.table) != numbered:
            numbered = len(source.table)
            calls = ((key.service, key.peer) for key, _ in source.table.items() if key.peer)
            pipeline.triage.graph = known.merged(ServiceGraph(calls))
        yield batch


async def _of_prometheus(
    one: config.PrometheusSettings,
    period: Period,
    settings: config.Settings,
    base: Path,
    *,
    save: Path | None,
    only_alerts: bool,
) -> Replayed:
    packs = app.all_packs(settings)
    client = app.prometheus_client(one, base)
    try:
        recipes = () if only_alerts else await app.matching_recipes(one, client, packs)
        table = SeriesTable(settings.limits.max_series)
        source = app.prometheus_source(one, client, recipes, table) if recipes else AlertsAlone(one, table)
        shard = Shard(source, app.detection_rules(settings), History(2 * ROWS))
        pipeline = Pipeline(
            [shard], Triage(app.triage_settings(settings, ("replay",))), app.maintenance_windows(settings)
        )
        graphs = metrics_graphs(source.name, client, [edge for pack in packs.values() for edge in pack.edges])
        fixed = [FileGraph(base / settings.graph.file)] if settings.graph.file else []
        pipeline.triage.graph = await GraphKeeper([*fixed, *graphs]).refresh(period.end_ms)
        window = Window.aligned(period.start_ms, period.end_ms, one.step_s)
        alerts = await past_alerts(client.ranges, window)
        if not recipes and not alerts and not only_alerts:
            raise InputError(
                f"{one.url} has no alerts in this period and no metrics that a signal pack matches; "
                "`aiops init` says what there is"
            )
        batches = _batches(source, period, one.history_days)
        if save is not None:
            batches = saved_to(save, batches, table, name=source.name, step_s=source.step_s, events=alerts)
        return await _run(pipeline, shard, batches, alerts, period)
    finally:
        await client.aclose()


async def _run(
    pipeline: Pipeline, shard: Shard, batches: AsyncIterator[Batch], alerts: list[Event], period: Period
) -> Replayed:
    with progress_bar("replaying, minutes of history") as step:

        async def watched() -> AsyncIterator[Batch]:
            async for batch in batches:
                step(max(0, batch.position - period.start_ms) // 60_000, (period.end_ms - period.start_ms) // 60_000)
                yield batch

        return await Replay(pipeline, default_ranker().rank, alerts).run(shard, watched())


class AlertsAlone:
    """A Prometheus of which only the alerts are read: there are no samples, and time passes all the same."""

    def __init__(self, one: config.PrometheusSettings, table: SeriesTable) -> None:
        self.name, self.step_s, self.table = config.source_name(one), one.step_s, table

    async def read(self, after: int | None) -> AsyncIterator[Batch]:  # noqa: ARG002 - the contract's argument
        """Nothing."""
        for batch in list[Batch]():
            yield batch


async def _batches(source: PrometheusSource | AlertsAlone, period: Period, history_days: float) -> AsyncIterator[Batch]:
    """What came before the period, to learn from, then the period."""
    if isinstance(source, AlertsAlone):
        yield Batch(period.end_ms)
        return
    before_ms = period.start_ms - int(history_days * 86_400_000)
    if before_ms < period.start_ms:
        async for batch in source.read_range(before_ms, period.start_ms - 1):
            yield Batch(batch.position, batch.blocks, history=True)
    async for batch in source.read_range(period.start_ms, period.end_ms):
        yield batch


def _wanted(settings: config.Settings, url: str) -> config.PrometheusSettings:
    """The configured Prometheus of that address, or that address with the defaults."""
    wanted = [one for one in settings.prometheus if not url or one.url.rstrip("/") == url.rstrip("/")]
    if len(wanted) > 1:
        raise InputError("the configuration has several Prometheus servers: choose one with --prometheus")
    if not wanted and not url:
        raise InputError("give --prometheus URL, --file FILE, or --config with a `prometheus` entry")
    return wanted[0] if wanted else config.PrometheusSettings(url=url)


def _period(start: str, end: str) -> Period:
    if not start:
        raise InputError("--start is missing: RFC 3339 like 2026-03-01T00:00:00Z, or like 7d for seven days ago")
    now_ms = int(time.time() * 1000)
    period = Period(time_ms(start, "--start", now_ms), time_ms(end, "--end", now_ms) if end else now_ms)
    if period.start_ms >= period.end_ms:
        raise InputError(f"--start must be before --end, got {moment(period.start_ms)} and {moment(period.end_ms)}")
    return period


def time_ms(text: str, option: str, now_ms: int | None = None) -> int:
    """A moment as people write it, unix ms: RFC 3339, or how long before now.

    Raises
    ------
    InputError : it is neither; names the option
    """
    now_ms = int(time.time() * 1000) if now_ms is None else now_ms
    try:
        if ago := _AGO.fullmatch(text.removesuffix(" ago").strip()):
            return now_ms - int(float(ago[1]) * _SECONDS[ago[2]] * 1000)
        when = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise InputError(f"{option}: {text!r} is neither RFC 3339 nor like 7d, 6h or 30m") from None
    if when.tzinfo is None:
        raise InputError(f"{option}: {text!r} has no time zone; add Z for UTC")
    return int(when.timestamp() * 1000)
