"""Where a person can read on: addresses made from templates, for one incident.

A template is an address with `{service}`, `{incident}`, `{from_ms}`, `{to_ms}`, `{from_s}`, `{to_s}`; values are
escaped as one part of an address.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

from aiops.errors import ConfigError
from aiops.links import incident_url
from aiops.model import Incident

BEFORE_MS = 15 * 60_000
AFTER_MS = 10 * 60_000
"""Chosen: enough of the quiet time on both sides to see what was normal."""

_NAMES = ("service", "incident", "from_ms", "to_ms", "from_s", "to_s")
_FIELD = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Links:
    """Templates of addresses; empty = no such link.

    Parameters
    ----------
    page : where this service's own pages are found, without the path
    dashboard : shows a service over a time
    runbook : says what to do about a service; an alert's own runbook comes first

    Raises
    ------
    ConfigError : a template has a field that does not exist
    """

    page: str = ""
    dashboard: str = ""
    runbook: str = ""

    def __post_init__(self) -> None:
        for name in ("page", "dashboard", "runbook"):
            for field in _FIELD.findall(getattr(self, name)):
                if field not in _NAMES:
                    there = ", ".join(f"{{{known}}}" for known in _NAMES)
                    raise ConfigError("the configuration", f"{name}_url", f"has no {{{field}}}; there are {there}")

    def page_of(self, incident: Incident) -> str:
        """The incident's own page."""
        return incident_url(self.page, incident.id)

    def dashboard_of(self, incident: Incident) -> str:
        """The dashboard over the incident's time; while it lasts the range ends at what was heard last."""
        return _filled(self.dashboard, incident)

    def runbook_of(self, incident: Incident) -> str:
        """What to do about the service that hurts."""
        return _filled(self.runbook, incident)


def time_range(incident: Incident) -> tuple[int, int]:
    """What to look at, unix ms: from a while before its start to a while after its end or what was heard last."""
    last_ms = incident.resolved_ms if incident.resolved_ms is not None else incident.updated_ms
    return incident.started_ms - BEFORE_MS, max(last_ms, incident.started_ms) + AFTER_MS


def hurt_service(incident: Incident) -> str:
    """The service whose dashboard and runbook are wanted: the one the title is about, as far as it names one."""
    named = incident.title.partition(":")[0]
    return named if named in incident.services else next(iter(incident.services), "")


def _filled(template: str, incident: Incident) -> str:
    start_ms, end_ms = time_range(incident)
    values = {
        "service": hurt_service(incident),
        "incident": incident.id,
        "from_ms": str(start_ms),
        "to_ms": str(end_ms),
        "from_s": str(start_ms // 1000),
        "to_s": str(end_ms // 1000),
    }
    return _FIELD.sub(lambda match: quote(values[match[1]], safe=""), template)
