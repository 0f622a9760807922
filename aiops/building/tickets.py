"""Settings become the notifiers that keep something of each incident: annotations, tickets, pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from aiops._secret_file import read_secret
from aiops.config.tickets import GithubReceiver, GrafanaReceiver, JiraReceiver, PagerDutyReceiver
from aiops.errors import ConfigError
from aiops.model import Incident
from aiops.notifiers import Receipts
from aiops.notifiers._rest import Rest, basic
from aiops.notifiers._tickets import TicketNotifier
from aiops.notifiers.github import HEADERS, GithubSettings, GithubTracker, limited
from aiops.notifiers.grafana import GrafanaNotifier
from aiops.notifiers.jira import JiraSettings, JiraTracker
from aiops.notifiers.pagerduty import PagerDutyNotifier

DAY_MS = 86_400_000
_OUR_FIELDS = frozenset({"project", "issuetype", "summary", "description", "labels", "priority"})
Clock = Callable[[], int]


def build_grafana(
    one: GrafanaReceiver,
    base: Path,
    receipts: Receipts,
    clock: Clock,
    *,
    page: str,
    live: Callable[[], Sequence[Incident]],
) -> GrafanaNotifier:
    """The annotations of one Grafana."""
    headers = {"Authorization": f"Bearer {read_secret(one.token_file, base).reveal()}"}
    rest = Rest("grafana", one.url, headers=headers, ca_file=_path(one.ca_file, base), timeout_s=one.timeout_s)
    keep_ms = round(one.keep_days * DAY_MS)
    return GrafanaNotifier(rest, receipts, clock, live=live, tags=one.tags, page=page, keep_ms=keep_ms)


def build_jira(one: JiraReceiver, base: Path, receipts: Receipts, clock: Clock, page: str) -> TicketNotifier:
    """The tickets of one Jira project.

    Raises
    ------
    ConfigError : what the settings say does not fit together
    """
    is_cloud = one.flavour == "cloud"
    if is_cloud != bool(one.email):
        rule = "needs the email the token belongs to" if is_cloud else "is for `flavour: cloud` only"
        raise ConfigError("the configuration", f"notifiers {one.name}.email", rule)
    if any(" " in label or not label for label in one.labels):
        raise ConfigError("the configuration", f"notifiers {one.name}.labels", "must not be empty or have spaces")
    if taken := sorted(_OUR_FIELDS & set(one.fields)):
        raise ConfigError("the configuration", f"notifiers {one.name}.fields", f"{taken[0]} is set for every issue")
    token = read_secret(one.token_file, base)
    header = basic(one.email, token) if is_cloud else f"Bearer {token.reveal()}"
    headers, ca_file = {"Authorization": header}, _path(one.ca_file, base)
    rest = Rest("jira", one.url, headers=headers, secrets=[token], ca_file=ca_file, timeout_s=one.timeout_s)
    settings = JiraSettings(
        project=one.project,
        issue_type=one.issue_type,
        labels=tuple(one.labels),
        priority={str(severity): name for severity, name in one.priority.items()},
        fields=one.fields,
        transition=one.transition,
        page=page,
    )
    tracker = JiraTracker(rest, settings, one.flavour)
    return TicketNotifier(tracker, receipts, clock, closes=one.on_resolve == "close")


def build_github(one: GithubReceiver, base: Path, receipts: Receipts, clock: Clock, page: str) -> TicketNotifier:
    """The issues of one GitHub repository."""
    headers = {"Authorization": f"Bearer {read_secret(one.token_file, base).reveal()}", **HEADERS}
    rest = Rest("github", one.url, headers=headers, timeout_s=one.timeout_s, judge=limited)
    settings = GithubSettings(one.repository, tuple(one.labels), tuple(one.assignees), page)
    return TicketNotifier(GithubTracker(rest, settings), receipts, clock, closes=one.on_resolve == "close")


def build_pagerduty(one: PagerDutyReceiver, base: Path, receipts: Receipts, page: str) -> PagerDutyNotifier:
    """The pages of one PagerDuty service."""
    key = read_secret(one.routing_key_file, base)
    rest = Rest("pagerduty", one.url, secrets=[key], timeout_s=one.timeout_s)
    return PagerDutyNotifier(rest, key, receipts, page=page, changes=one.changes)


def _path(name: str, base: Path) -> Path | None:
    return base / name if name else None
