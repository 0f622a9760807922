"""An incident as an alert of Alertmanager.

Labels are the alert's identity, so they hold nothing that changes: no score, no cause. What routes and inhibits is in
them: `alertname`, `service`, `severity`, `incident`, and what the settings add. When an incident gets worse, its alert
of the old severity is resolved and one of the new severity fires.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from msgspec import Struct, structs

from aiops import words
from aiops.links import incident_url
from aiops.model import Incident
from aiops.notifiers._block import clean, rows
from aiops.notifiers._links import hurt_service
from aiops.silence import INCIDENT_ALERT

TEXT_LIMIT = 4000
"""Characters of one annotation; chosen, twice what a chat shows of a message."""
CUT_MARK = "… [cut]"
LASTS_MS = 240_000
"""A firing alert that is not sent again ends after four times the resending interval, as with Prometheus."""
RESOLVED_MS = 300_000
"""So long a resolved alert is sent again, should an Alertmanager have missed it; Prometheus waits 15 min (chosen)."""


class Alert(Struct, frozen=True):
    """One alert as it is kept: `ended_ms` is 0 while it fires."""

    labels: dict[str, str]
    annotations: dict[str, str]
    started_ms: int
    ended_ms: int = 0
    url: str = ""

    def posted(self, now_ms: int) -> dict[str, object]:
        """What is sent at `now_ms`."""
        # An end before the start is refused, and a clock may have been set back.
        ends_ms = max(self.ended_ms or now_ms + LASTS_MS, self.started_ms + 1)
        times = {"startsAt": moment(self.started_ms), "endsAt": moment(ends_ms)}
        return {"labels": self.labels, "annotations": self.annotations, **times, "generatorURL": self.url}

    def is_over(self, now_ms: int) -> bool:
        """Tell whether nobody needs to hear of it again."""
        return bool(self.ended_ms) and now_ms >= self.ended_ms + RESOLVED_MS


def alerts_of(incident: Incident, before: list[Alert], now_ms: int, extra: Mapping[str, str], page: str) -> list[Alert]:
    """The alerts of an incident: one that fires or is resolved, and those it has taken the place of.

    Parameters
    ----------
    before : what this gave the last time
    extra : labels that all alerts of ours have
    page : where people reach our pages
    """
    kept = [alert for alert in before if not alert.is_over(now_ms)]
    firing = next((alert for alert in kept if not alert.ended_ms), None)
    service = firing.labels.get("service", "") if firing else hurt_service(incident)
    labels = {**extra, "alertname": INCIDENT_ALERT, "service": clean(service), "severity": incident.severity}
    labels = {name: value for name, value in {**labels, "incident": incident.id}.items() if value}
    ended_ms = 0
    if incident.status == "resolved":
        # Resent for some minutes from now, whenever it was that it ended.
        ended_ms = now_ms
    now = Alert(labels, said_of(incident), incident.started_ms, ended_ms, incident_url(page, incident.id))
    past = [structs.replace(a, ended_ms=a.ended_ms or now_ms) for a in kept if a.labels != labels]
    return [*past, now]


def said_of(incident: Incident) -> dict[str, str]:
    """What a template of Alertmanager can show: `summary`, `description`, and the parts of it by name."""
    parts: dict[str, list[str]] = {}
    label = ""
    for given, row in rows(incident):
        label = given or label
        parts.setdefault(label.lower().replace(" ", "_"), []).append(row.plain)
    text = "\n".join(f"{name.replace('_', ' ').capitalize()}: {'; '.join(lines)}" for name, lines in parts.items())
    suspects = [] if incident.ranking.unknown else incident.ranking.suspects[:1]
    found = {
        "summary": clean(incident.title),
        "description": text,
        "cause": "".join(clean(s.service) for s in suspects) or "not known",
        "confidence": "".join(words.plain_percent(s.confidence) for s in suspects),
        "reason": "".join(clean(s.reason) for s in suspects),
        "services": ", ".join(map(clean, incident.services)),
        "changed": "; ".join(parts.get("changed", [])),
    }
    return {name: cut(value) for name, value in found.items() if value}


def cut(text: str, most: int = TEXT_LIMIT) -> str:
    """The text if it fits, else its beginning and a mark.

    >>> cut("abcdefghijklmnop", 10)
    'abc… [cut]'
    """
    return text if len(text) <= most else text[: most - len(CUT_MARK)] + CUT_MARK


def moment(time_ms: int) -> str:
    """RFC 3339 with milliseconds."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
