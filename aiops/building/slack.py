"""Settings become what speaks to Slack: notifiers, and what takes the clicks on their buttons."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

from aiops._secret_file import read_secret
from aiops.config import Settings
from aiops.config.slack import SlackReceiver
from aiops.model import Incident
from aiops.noise_report import Kept, noise_report
from aiops.notifiers import Notifier, Receipts
from aiops.notifiers._links import Links
from aiops.notifiers._slack_api import SlackApi
from aiops.notifiers._slack_box import ClickBox
from aiops.notifiers._slack_clicks import AGAIN_S, ClickRules, SlackClicks
from aiops.notifiers._slack_desk import Desk, OpenedTicket
from aiops.notifiers._slack_report import Make
from aiops.notifiers._slack_route import Route
from aiops.notifiers._slack_socket import SlackSocket
from aiops.notifiers._slack_state import Incidents, SlackState
from aiops.notifiers._tickets import TicketNotifier
from aiops.notifiers.only import OnlyNotifier
from aiops.notifiers.pagerduty import PagerDutyNotifier
from aiops.notifiers.silences import Silences
from aiops.notifiers.slack import SlackNotifier, SlackSettings
from aiops.stores import Store
from aiops.verdicts import Given
from aiops.web.slack import SlackApp

log = logging.getLogger(__name__)

MOST_REPORTED = 100_000  # incidents of a week: more than any team could be paged for

Well = Callable[[str, str], None]
"""Told the name of a part and why it does not work, "" once it does."""


@dataclass(frozen=True, slots=True)
class Buttons:
    """What takes clicks: parts that run until they are told to stop, and apps that come in over HTTP."""

    runs: list[Callable[[asyncio.Event], Coroutine[None, None, None]]] = field(default_factory=list)
    apps: list[SlackApp] = field(default_factory=list)


class Gives(Protocol):
    """Takes verdicts, as a `VerdictBook` does."""

    def give(self, incident_id: str, answer: str, *, who: str, via: str, key: str = "") -> Given:
        """Say what an incident was."""
        ...


def build_desk(
    book: Gives,
    silences: Mapping[str, Silences],
    tickets: Mapping[str, TicketNotifier],
    pagers: Mapping[str, PagerDutyNotifier],
) -> Desk:
    """What buttons set off: verdicts, silences in the first Alertmanager, tickets in the first tracker, all pagers."""
    tracker = next(iter(tickets.values()), None)

    async def verdict(incident_id: str, answer: str, *, who: str, key: str) -> list[str]:
        give = partial(book.give, incident_id, answer, who=who, via="slack", key=key)
        given = await asyncio.to_thread(give)
        return [f"{one.subject}: {one.after} (was: {one.before})" for one in given.changes]

    async def ticket(incident: Incident, who: str) -> OpenedTicket:
        assert tracker is not None
        name, url = await tracker.open(incident)
        log.info("ticket opened by a button name=%s incident=%s who=%s", name, incident.id, who)
        return OpenedTicket(name, url)

    async def acknowledge(incident: Incident, who: str) -> None:
        for pager in pagers.values():
            await pager.acknowledge(incident, who)

    silencer = next(iter(silences.values()), None)
    return Desk(verdict, silencer, ticket if tracker else None, acknowledge if pagers else None)


def weekly_noise(store: Store) -> Make:
    """The report on noise out of a store."""

    def make(start_ms: int, end_ms: int) -> str:
        incidents = store.incidents(since_ms=start_ms, before_ms=end_ms, limit=MOST_REPORTED)
        held_back = store.suppressed(since_ms=start_ms, limit=MOST_REPORTED)
        return noise_report(Kept(incidents, store.verdicts(limit=MOST_REPORTED), held_back), start_ms, end_ms)

    return make


def build_slack(
    one: SlackReceiver,
    base: Path,
    receipts: Receipts,
    incidents: Incidents,
    *,
    clock: Callable[[], int],
    page: str,
    group_wait_s: float,
    well: Well,
) -> SlackNotifier:
    """The notifier of one workspace.

    Parameters
    ----------
    group_wait_s : how long an incident has gathered before it is told of at all

    Raises
    ------
    ConfigError : a file cannot be read, or an address has a field that does not exist
    """
    settings = SlackSettings(
        channel=one.channel,
        routes=tuple(Route(r.channel, tuple(r.services), tuple(r.teams), r.severity) for r in one.routes),
        gather_s=max(0.0, one.gather_s - group_wait_s),
        fast_gather_s=max(0.0, one.fast_gather_s - group_wait_s),
        objective=one.slo_objective,
        cap_per_hour=one.max_per_hour,
        links=Links(page, one.dashboard_url, one.runbook_url),
    )
    api = SlackApi(read_secret(one.token_file, base), base_url=one.api_url, timeout_s=one.timeout_s)
    told = partial(well, one.name)
    return SlackNotifier(api, SlackState(receipts), incidents, settings, clock=clock, chart=_chart(one), well=told)


def build_buttons(
    settings: Settings,
    base: Path,
    notifiers: Mapping[str, Notifier],
    *,
    clock: Callable[[], int],
    well: Well,
    desk: Desk,
    report: Make,
    look_s: float = AGAIN_S,
) -> Buttons:
    """What takes the clicks of every Slack receiver in the settings.

    Parameters
    ----------
    look_s : clicks that other processes have written down are looked for so often

    Raises
    ------
    ConfigError : a file cannot be read
    """
    buttons = Buttons()
    for one in settings.notifiers:
        notifier = notifiers[one.name]
        notifier = notifier.inner if isinstance(notifier, OnlyNotifier) else notifier
        if isinstance(one, SlackReceiver) and isinstance(notifier, SlackNotifier):
            hears = bool(one.app_token_file or one.signing_secret_file)
            notifier.offer(desk.offered() if hears else ())
            if one.weekly_report:
                notifier.report(report)
            rules = ClickRules(tuple(one.users), one.silence_hours * 3600.0)
            clicks = SlackClicks(notifier, desk=desk, rules=rules, clock=clock, look_s=look_s)
            _listen(one, base, clicks, buttons, well)
    return buttons


def _listen(one: SlackReceiver, base: Path, clicks: SlackClicks, buttons: Buttons, well: Well) -> None:
    if one.app_token_file:
        token = read_secret(one.app_token_file, base)
        told = partial(well, f"{one.name} buttons")
        socket = SlackSocket(token, clicks.take, base_url=one.api_url, timeout_s=one.timeout_s, well=told)
        buttons.runs.append(socket.run)
    if one.signing_secret_file:
        buttons.apps.append(SlackApp(read_secret(one.signing_secret_file, base), clicks.take, clicks.refused))
    if one.app_token_file or one.signing_secret_file:
        buttons.runs.append(clicks.run)


def signed_apps(settings: Settings, base: Path, store: Store, clock: Callable[[], int]) -> list[SlackApp]:
    """What writes down clicks that come in over HTTP, for another process to do. Raises `ConfigError`."""
    apps = list[SlackApp]()
    for one in settings.notifiers:
        if isinstance(one, SlackReceiver) and one.signing_secret_file:
            box = ClickBox(SlackState(Receipts(store, one.name)), clock)
            apps.append(SlackApp(read_secret(one.signing_secret_file, base), box.take, box.refused))
    return apps


def _chart(one: SlackReceiver) -> Callable[..., bytes | None] | None:
    from aiops.notifiers._slack_chart import can_draw, chart

    return chart if one.charts and can_draw() else None
