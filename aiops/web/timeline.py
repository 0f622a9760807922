"""What happened in an incident, in order, seen from its start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aiops import words
from aiops.model import Anomaly, Event, Incident


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of the story."""

    time_ms: int
    when: str
    kind: Literal["change", "alert", "deviation", "incident"]
    service: str
    text: str
    url: str = ""


def timeline(incident: Incident) -> list[Moment]:
    """All moments of an incident in the order of time; of equal times changes come first, as causes do."""
    order = ("change", "alert", "deviation", "incident")
    moments = [
        *(_change(e, incident.started_ms) for e in incident.events),
        *(_alert(e, incident.started_ms) for e in incident.alerts),
        *(_deviation(a, incident.started_ms) for a in incident.anomalies),
        *_life(incident),
    ]
    return sorted(moments, key=lambda m: (m.time_ms, order.index(m.kind), m.service, m.text))


def when(time_ms: int, start_ms: int) -> str:
    """A time as seen from the start.

    >>> when(60_000, 180_000), when(180_000, 180_000), when(245_000, 180_000)
    ('2 min before', 'start', '+1 min 5 s')
    """
    if abs(time_ms - start_ms) < 1000:
        return "start"
    return f"{words.span(start_ms - time_ms)} before" if time_ms < start_ms else f"+{words.span(time_ms - start_ms)}"


def _change(event: Event, start_ms: int) -> Moment:
    text = f"{event.kind}: {event.description}" if event.description else event.kind
    return Moment(event.time_ms, when(event.time_ms, start_ms), "change", event.service, text, event.url)


def _alert(event: Event, start_ms: int) -> Moment:
    text = f"{event.description or 'alert'}{' (resolved)' if event.status == 'resolved' else ''}"
    return Moment(event.time_ms, when(event.time_ms, start_ms), "alert", event.service, text, event.url)


def _deviation(anomaly: Anomaly, start_ms: int) -> Moment:
    size = words.size(anomaly.value, anomaly.expected, anomaly.unit, anomaly.went)
    to = f" to {anomaly.series.peer}" if anomaly.series.peer else ""
    text = f"{anomaly.series.signal}{to}: {size}"
    return Moment(anomaly.started_ms, when(anomaly.started_ms, start_ms), "deviation", anomaly.series.service, text)


def _life(incident: Incident) -> list[Moment]:
    lived = ((incident.opened_ms, "opened, on-call was told"), (incident.resolved_ms, "resolved"))
    if incident.muted:
        lived = ((incident.opened_ms, f"opened, nobody was told: {incident.muted}"), (incident.resolved_ms, "resolved"))
    start_ms = incident.started_ms
    return [Moment(at_ms, when(at_ms, start_ms), "incident", "", text) for at_ms, text in lived if at_ms is not None]
