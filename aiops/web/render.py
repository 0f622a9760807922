"""The one JSON shape of an incident, shared by the API, the webhook notifier, the console and the pages.

Times are RFC 3339 in UTC or null, numbers are finite or null (JSON has no NaN).
"""

from __future__ import annotations

import math
from typing import TypedDict

from aiops import words
from aiops.model import Anomaly, Event, Incident
from rca import Evidence, Suspect

SUSPECTS_SHOWN = 10
"""A ranking holds every service; a reader of JSON is helped by the first few. Chosen; pages show three."""


class EvidenceJson(TypedDict):
    """One piece of what speaks for (strength > 0) or against a suspect."""

    kind: str
    strength: float | None
    text: str
    numbers: dict[str, float | None]


class SuspectJson(TypedDict):
    """A service that may be the cause; `path` leads from it to where the incident was noticed."""

    service: str
    metric: str | None
    confidence: float | None
    kind: str
    reason: str
    path: list[str]
    evidence: list[EvidenceJson]


class DetectorJson(TypedDict):
    """How surprised one detector was at the peak."""

    name: str
    surprise: float | None


class AnomalyJson(TypedDict):
    """A stretch of a series outside its band; the numbers belong to its peak."""

    id: str
    service: str
    peer: str
    signal: str
    labels: dict[str, str]
    kind: str
    unit: str
    value: float | None
    expected: float | None
    lower: float | None
    upper: float | None
    size: str
    rarity: float | None
    how_rare: str
    since: str
    ended_at: str | None
    explanation: str
    flaps: int
    detectors: list[DetectorJson]


class EventJson(TypedDict):
    """An alert or a change, as somebody else told it."""

    id: str
    time: str
    service: str
    kind: str
    status: str
    description: str
    url: str
    source: str
    labels: dict[str, str]


class IncidentJson(TypedDict):
    """An incident as everybody outside the service sees it."""

    id: str
    kind: str
    status: str
    title: str
    severity: str
    started_at: str
    opened_at: str | None
    resolved_at: str | None
    services: list[str]
    suspects: list[SuspectJson]
    unknown: bool
    notes: list[str]
    muted: str
    flaps: int
    anomalies: list[AnomalyJson]
    alerts: list[EventJson]
    events: list[EventJson]


def incident_dict(incident: Incident) -> IncidentJson:
    """An incident in plain values that every JSON encoder takes."""
    return {
        "id": incident.id,
        "kind": incident.kind,
        "status": incident.status,
        "title": incident.title,
        "severity": incident.severity,
        "started_at": words.moment(incident.started_ms),
        "opened_at": _moment(incident.opened_ms),
        "resolved_at": _moment(incident.resolved_ms),
        "services": list(incident.services),
        "suspects": [_suspect(s) for s in incident.ranking.suspects[:SUSPECTS_SHOWN]],
        "unknown": incident.ranking.unknown,
        "notes": list(incident.ranking.notes),
        "muted": incident.muted,
        "flaps": incident.flaps,
        "anomalies": [_anomaly(a) for a in incident.anomalies],
        "alerts": [event_dict(e) for e in incident.alerts],
        "events": [event_dict(e) for e in incident.events],
    }


def event_dict(event: Event) -> EventJson:
    """An event in plain values."""
    return {
        "id": event.id,
        "time": words.moment(event.time_ms),
        "service": event.service,
        "kind": event.kind,
        "status": event.status,
        "description": event.description,
        "url": event.url,
        "source": event.source,
        "labels": dict(event.labels),
    }


def _suspect(suspect: Suspect) -> SuspectJson:
    return {
        "service": suspect.service,
        "metric": suspect.metric,
        "confidence": _number(suspect.confidence),
        "kind": suspect.kind,
        "reason": suspect.reason,
        "path": list(suspect.path),
        "evidence": [_evidence(e) for e in suspect.evidence],
    }


def _evidence(evidence: Evidence) -> EvidenceJson:
    return {
        "kind": evidence.kind,
        "strength": _number(evidence.strength),
        "text": evidence.text,
        "numbers": {name: _number(value) for name, value in evidence.numbers},
    }


def _anomaly(anomaly: Anomaly) -> AnomalyJson:
    return {
        "id": anomaly.id,
        "service": anomaly.series.service,
        "peer": anomaly.series.peer,
        "signal": anomaly.series.signal,
        "labels": dict(anomaly.series.labels),
        "kind": anomaly.kind,
        "unit": anomaly.unit,
        "value": _number(anomaly.value),
        "expected": _number(anomaly.expected),
        "lower": _number(anomaly.lower),
        "upper": _number(anomaly.upper),
        "size": words.size(anomaly.value, anomaly.expected, anomaly.unit, anomaly.went),
        "rarity": _number(anomaly.rarity),
        "how_rare": words.how_rare(anomaly.rarity),
        "since": words.moment(anomaly.started_ms),
        "ended_at": _moment(anomaly.ended_ms),
        "explanation": anomaly.explanation,
        "flaps": anomaly.flaps,
        "detectors": [{"name": name, "surprise": _number(surprise)} for name, surprise in anomaly.detectors],
    }


def _moment(time_ms: int | None) -> str | None:
    return None if time_ms is None else words.moment(time_ms)


def _number(value: float) -> float | None:
    # Scores come from arrays: a numpy float is not a JSON number to every encoder.
    return float(value) if math.isfinite(value) else None
