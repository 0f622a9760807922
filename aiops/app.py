"""Builds everything from settings. The only place that constructs plug-ins.

Each kind has a module of its own in `aiops/building`: `inputs` sources and graphs, `notifiers` receivers, `rules` what
the two machines are told. Commands use these parts through here.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from starlette.applications import Starlette

from aiops._kernels import compile_kernels
from aiops.backend import ServiceBackend, score_rows
from aiops.building.alertmanager import build_silences, build_silencing, silenced
from aiops.building.inputs import build_inputs
from aiops.building.notifiers import Around, build_notifiers, pagers, tended, tickets
from aiops.building.packs import all_packs, chosen
from aiops.building.prometheus import matching_recipes, prometheus_client, prometheus_source
from aiops.building.rules import detection_rules, maintenance_windows, ranker, triage_settings, verdict_rules
from aiops.building.slack import Buttons, build_buttons, build_desk, weekly_noise
from aiops.building.web import web_settings
from aiops.config import Settings
from aiops.delivery import Delivery
from aiops.graphs.merged import GraphKeeper
from aiops.model import Incident
from aiops.notifiers import Tended
from aiops.notifiers._tickets import TicketNotifier
from aiops.notifiers.silences import Silences
from aiops.pipeline import Pipeline
from aiops.policy import Policy
from aiops.runners._clock import EventClock
from aiops.runners._saved import Saver
from aiops.runners._tending import tend, upkeep_told
from aiops.runners.embedded import Embedded
from aiops.sources._pushed_samples import WriteLimits
from aiops.sources.otlp import OtlpReader
from aiops.stores import Store
from aiops.stores.place import open_store
from aiops.telemetry import Health, Telemetry
from aiops.triage import Triage
from aiops.verdicts import VerdictBook
from aiops.web.app import build_app
from aiops.web.server import serve

__all__ = [
    "Around",
    "Listening",
    "Service",
    "all_packs",
    "build",
    "build_notifiers",
    "chosen",
    "detection_rules",
    "maintenance_windows",
    "matching_recipes",
    "prometheus_client",
    "prometheus_source",
    "ranker",
    "triage_settings",
]

Listening = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Service:
    """The whole service, ready to run."""

    settings: Settings
    pipeline: Pipeline
    runner: Embedded
    web: Starlette
    store: Store
    telemetry: Telemetry
    health: Health
    tended: Mapping[str, Tended]
    buttons: Buttons
    silences: Mapping[str, Silences]
    """Silences of the Alertmanagers in the settings, by the receiver's name: to propose, create and end them."""
    tickets: Mapping[str, TicketNotifier]
    """Who opens tickets, by the receiver's name: to open one that a person asks for."""

    async def run(self, stop: asyncio.Event, listening: Listening | None = None) -> None:
        """Run until `stop` is set. `listening` is told host and port once the web server takes requests."""
        listen = self.settings.listen

        async def serve_web() -> None:
            await serve(self.web, listen.host, listen.port, stop=stop, listening=listening)

        try:
            # Before the first request is taken: a sender would time out on a compiler that holds up the loop.
            await asyncio.to_thread(compile_kernels)
            hearing = [partial(run, stop) for run in self.buttons.runs]
            await self.runner.run(stop, serve_web, *self._tending(stop), *hearing)
        finally:
            for silences in self.silences.values():
                await silences.close()
            self.store.close()

    def _tending(self, stop: asyncio.Event) -> list[Callable[[], Coroutine[None, None, None]]]:
        """What looks after receivers between notifications; each by itself, so that none waits for another."""
        clock, done = self.runner.clock.wall_ms, upkeep_told(self.telemetry, self.health)
        things = [*self.tended.items(), *self.silences.items()]
        return [partial(tend, name, one, stop, clock=clock, done=done) for name, one in things]


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
    store = open_store(settings.store.place, base=base)
    try:
        return _assembled(settings, store, base=base, clock=EventClock(wall, steady), wall=wall, opened=opened)
    except BaseException:
        store.close()
        raise


def _assembled(
    settings: Settings,
    store: Store,
    *,
    base: Path,
    clock: EventClock,
    wall: Callable[[], float],
    opened: Callable[[Incident], None] | None,
) -> Service:
    # Long, because it is a list: what is built from what, in order, with no decision in it.
    health, telemetry = Health(wall), Telemetry(max_score_series=settings.listen.max_score_series, clock=wall)
    silences = build_silences(settings, base, clock.wall_ms)
    inputs = build_inputs(settings, store, health, base, wall)
    triage = Triage(triage_settings(settings, tuple(one.name for one in settings.notifiers)))
    pipeline = Pipeline(inputs.shards, triage, maintenance_windows(settings), silenced(silences))
    book = _book(settings, store, pipeline, clock)
    around = Around(
        store,
        clock.wall_ms,
        page=settings.listen.public_url,
        ill=health.reasons,
        live=lambda: [*store.incidents(status="open"), *store.incidents(status="flapping")],
        template_failed=telemetry.template_failed,
        well=health.told,
        incidents=store,
    )
    notifiers = build_notifiers(settings, base, around)
    asking = tickets(notifiers)
    desk = build_desk(book, silences, asking, pagers(notifiers))
    buttons = build_buttons(
        settings,
        base,
        notifiers,
        clock=clock.wall_ms,
        well=health.told,
        desk=desk,
        report=weekly_noise(store),
    )
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
    telemetry.add_scores(partial(score_rows, pipeline.shards))
    limits = WriteLimits(body_bytes=settings.push.max_body_bytes)
    otlp = OtlpReader(inputs.push.offer, limits) if inputs.push else None
    telemetry.add_verdicts(book.counts)
    backend = ServiceBackend(store, pipeline, telemetry, health, runner.wake, inputs.push, otlp, book=book)
    web = build_app(
        backend,
        web_settings(settings, base),
        telemetry=telemetry,
        clock=wall,
        slack=buttons.apps,
        silencing=build_silencing(silences, store, clock.wall_ms, settings.verdicts.people),
    )
    return Service(
        settings,
        pipeline,
        runner,
        web,
        store,
        telemetry,
        health,
        tended(notifiers),
        buttons,
        silences,
        asking,
    )


def _book(settings: Settings, store: Store, pipeline: Pipeline, clock: EventClock) -> VerdictBook:
    def changed(policy: Policy) -> None:
        pipeline.policy = policy

    return VerdictBook(store, verdict_rules(settings), clock.wall_ms, changed)


def _saver(settings: Settings, store: Store, clock: EventClock) -> Saver:
    return Saver(store, clock.wall_ms, snapshot_s=settings.detection.snapshot_s, keep_days=settings.store.keep_days)
