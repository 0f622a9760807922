"""Which channel hears of an incident."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from aiops.model import Incident

TEAM_LABELS = ("team", "owner", "squad")
"""Labels of alerts and series that people name a team by."""


@dataclass(frozen=True, slots=True)
class Route:
    """A channel and what goes there. All that is named must fit; what is not named always does.

    Parameters
    ----------
    services : names, `*` and `?` as in a shell
    teams : values of the labels `team`, `owner` or `squad`
    severity : "" = any
    """

    channel: str
    services: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    severity: Literal["", "critical", "warning"] = ""


def channel_of(incident: Incident, routes: Sequence[Route], otherwise: str) -> str:
    """The channel of the first route that fits the likely cause; if none does, of the first that fits what hurts.

    Who owns the cause can mend it, so they hear of it first.
    """
    named = [] if incident.ranking.unknown else [s.service for s in incident.ranking.suspects[:1]]
    hurting = sorted({a.series.service for a in incident.anomalies if a.pages} | {e.service for e in incident.alerts})
    for services in (named, hurting):
        for route in routes:
            if _fits(route, incident, services):
                return route.channel
    return otherwise


def _fits(route: Route, incident: Incident, services: Sequence[str]) -> bool:
    if route.severity and route.severity != incident.severity:
        return False
    if route.teams and not teams_of(incident, services) & set(route.teams):
        return False
    if route.services:
        return any(fnmatchcase(service, pattern) for service in services for pattern in route.services)
    # A route by severity alone says nothing of services: it must not win before those that do were asked.
    return bool(services)


def teams_of(incident: Incident, services: Sequence[str]) -> set[str]:
    """Teams that labels of these services name."""
    labels = [label for e in incident.alerts if e.service in services for label in e.labels]
    labels += [label for a in incident.anomalies if a.series.service in services for label in a.series.labels]
    return {value for name, value in labels if name in TEAM_LABELS}
