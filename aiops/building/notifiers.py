"""Settings become notifiers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import get_args

from aiops._secret_file import read_secret
from aiops.building.alertmanager import build_alertmanager
from aiops.building.slack import Well, build_slack
from aiops.building.tickets import build_github, build_grafana, build_jira, build_pagerduty
from aiops.config import Settings
from aiops.config.only import Only
from aiops.config.receivers import AlertmanagerReceiver, ConsoleReceiver, Receiver, WebhookReceiver
from aiops.config.slack import SlackReceiver
from aiops.config.tickets import GithubReceiver, GrafanaReceiver, JiraReceiver, PagerDutyReceiver
from aiops.model import Incident, IncidentKind
from aiops.notifiers import Notifier, Receipts, Tended
from aiops.notifiers._slack_state import Incidents
from aiops.notifiers._template import BodyTemplate
from aiops.notifiers._tickets import TicketNotifier
from aiops.notifiers.checks import example
from aiops.notifiers.console import ConsoleNotifier
from aiops.notifiers.only import OnlyNotifier, Rule
from aiops.notifiers.pagerduty import PagerDutyNotifier
from aiops.notifiers.receipts import ReceiptStore
from aiops.notifiers.webhook import WebhookNotifier


class _NoIncidents:
    """Where nothing was saved."""

    def incident(self, incident_id: str) -> None:
        """None."""

    def case(self, incident_id: str) -> None:
        """None."""


def _unheard(part: str, reason: str) -> None:
    """Nobody wants to know how parts are."""


@dataclass(frozen=True, slots=True)
class Around:
    """What notifiers need of the service.

    Parameters
    ----------
    store : where they keep what they must remember
    clock : the wall clock, unix ms
    page : where people reach our pages, "" = nobody has said
    ill : why the service is not healthy, one line per part
    live : incidents that go on
    template_failed : told the name of a receiver whose template has failed
    well : told of parts that do not work, and when they do again
    incidents : incidents as they are saved now
    """

    store: ReceiptStore
    clock: Callable[[], int]
    page: str = ""
    ill: Callable[[], Sequence[str]] = list
    live: Callable[[], Sequence[Incident]] = list
    template_failed: Callable[[str], None] = lambda _: None
    well: Well = _unheard
    incidents: Incidents = field(default_factory=_NoIncidents)


def build_notifiers(settings: Settings, base: Path, around: Around) -> dict[str, Notifier]:
    """Everybody who is told, by name.

    Parameters
    ----------
    base : folder that relative file names in the settings start from

    Raises
    ------
    ConfigError : a file that is named cannot be read, or an address is none
    """
    wait_s = settings.triage.group_wait_s
    return {one.name: _limited(one, _notifier(one, base, around, wait_s), around) for one in settings.notifiers}


def tended(notifiers: Mapping[str, Notifier]) -> dict[str, Tended]:
    """Those that have something to do between notifications, by name."""
    return {name: one for name, one in _inner(notifiers) if isinstance(one, Tended)}


def tickets(notifiers: Mapping[str, Notifier]) -> dict[str, TicketNotifier]:
    """Those that open tickets, also when a person asks for one, by name."""
    return {name: one for name, one in _inner(notifiers) if isinstance(one, TicketNotifier)}


def pagers(notifiers: Mapping[str, Notifier]) -> dict[str, PagerDutyNotifier]:
    """Those that page, and can be told that somebody takes care, by name."""
    return {name: one for name, one in _inner(notifiers) if isinstance(one, PagerDutyNotifier)}


def _inner(notifiers: Mapping[str, Notifier]) -> Iterator[tuple[str, Notifier]]:
    for name, one in notifiers.items():
        yield name, one.inner if isinstance(one, OnlyNotifier) else one


def _notifier(one: Receiver, base: Path, around: Around, group_wait_s: float) -> Notifier:
    # One case for each kind; what a kind needs beyond a few lines belongs in its own module.
    receipts = Receipts(around.store, one.name)
    match one:
        case ConsoleReceiver():
            return ConsoleNotifier()
        case WebhookReceiver():
            return _webhook(one, base, around)
        case AlertmanagerReceiver():
            return build_alertmanager(one, base, receipts, around.clock, page=around.page, ill=around.ill)
        case GrafanaReceiver():
            return build_grafana(one, base, receipts, around.clock, page=around.page, live=around.live)
        case JiraReceiver():
            return build_jira(one, base, receipts, around.clock, around.page)
        case GithubReceiver():
            return build_github(one, base, receipts, around.clock, around.page)
        case PagerDutyReceiver():
            return build_pagerduty(one, base, receipts, around.page)
        case SlackReceiver():
            return build_slack(
                one,
                base,
                receipts,
                around.incidents,
                clock=around.clock,
                page=around.page,
                group_wait_s=group_wait_s,
                well=around.well,
            )


def _webhook(one: WebhookReceiver, base: Path, around: Around) -> WebhookNotifier:
    template = None
    if one.template_file:
        # Not a secret, but read in the same way and with the same error.
        text = read_secret(one.template_file, base).reveal()
        template = BodyTemplate(text, one.content_type, page=around.page, sample=example())
    return WebhookNotifier(
        one.url,
        headers=one.headers,
        token=read_secret(one.token_file, base) if one.token_file else None,
        secret=read_secret(one.secret_file, base) if one.secret_file else None,
        template=template,
        failed=partial(around.template_failed, one.name),
        timeout_s=one.timeout_s,
    )


def _limited(one: Receiver, notifier: Notifier, around: Around) -> Notifier:
    """The notifier, told of no more than its settings want."""
    only: Only = getattr(one, "only", Only())
    kinds = tuple(only.kind)
    if isinstance(one, AlertmanagerReceiver | PagerDutyReceiver):
        # What is only going to happen may open a ticket, but wakes nobody.
        kinds = tuple(kind for kind in kinds or get_args(IncidentKind) if kind != "predicted")
    nothing = not getattr(one, "incidents", True) or (bool(only.kind) and not kinds)
    rule = Rule(tuple(only.severity), tuple(only.service), kinds, nothing=nothing)
    return notifier if rule == Rule() else OnlyNotifier(notifier, rule, Receipts(around.store, one.name))
