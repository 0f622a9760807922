"""Regions of a Grafana: a stretch of time with tags and a text, one for an incident and one for each of its anomalies.

Tags are how a dashboard finds them: `aiops`, `aiops:incident` or `aiops:anomaly`, `service:`, `severity:`, `signal:`,
and `aiops:incident:<id>`, by which a region that may be there already is found again.
"""

from __future__ import annotations

import hashlib
import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from aiops import words
from aiops.links import incident_url
from aiops.model import Anomaly, Incident
from aiops.notifiers._alert import cut
from aiops.notifiers._block import clean, rows
from aiops.triage.title import name_of

TAG = "aiops"
MOST_REGIONS = 20
"""Anomalies of one incident that get a region; chosen, more colour a whole panel and say nothing."""
_TEXT_LIMIT = 8000
_TAG_LIMIT = 100  # the width of the column that holds each half of a tag
_TAGS_LIMIT = 480  # as JSON; Grafana's `tags_length_limit` is 500 unless somebody has raised it


@dataclass(frozen=True, slots=True)
class Region:
    """What one annotation is to show; `name` tells those of an incident apart, `end_ms` is None for no end yet."""

    name: str
    start_ms: int
    end_ms: int | None
    tags: tuple[str, ...]
    text: str

    @property
    def mark(self) -> tuple[str, ...]:
        """Tags that no other region has together."""
        return tuple(tag for tag in self.tags if tag.startswith((f"{TAG}:incident", f"{TAG}:anomaly")))

    def digest(self) -> str:
        """Differs whenever what is shown does."""
        shown = msgspec.json.encode([self.start_ms, self.end_ms, self.tags, self.text])
        return hashlib.blake2b(shown, digest_size=8).hexdigest()


def regions_of(incident: Incident, extra: Sequence[str], page: str) -> list[Region]:
    """The regions of an incident, its own first.

    Parameters
    ----------
    extra : further tags of every region
    page : where people reach our pages
    """
    paging = sorted((a for a in incident.anomalies if a.pages), key=lambda a: (a.started_ms, a.id))
    left = len(paging) - MOST_REGIONS
    own = Region(
        "incident",
        incident.started_ms,
        None if incident.resolved_ms is None else max(incident.resolved_ms, incident.started_ms),
        _tags(
            [TAG, f"{TAG}:incident", f"{TAG}:incident:{incident.id}", f"severity:{incident.severity}", *extra],
            [f"service:{service}" for service in incident.services],
        ),
        _text(incident, page, f"{left} further deviations have no region of their own." if left > 0 else ""),
    )
    return [own, *(_anomaly(a, incident, extra, page) for a in paging[:MOST_REGIONS])]


def _anomaly(anomaly: Anomaly, incident: Incident, extra: Sequence[str], page: str) -> Region:
    service = anomaly.series.service or anomaly.series.peer
    size = words.size(anomaly.value, anomaly.expected, anomaly.unit, anomaly.went)
    lines = [f"<b>{_safe(service)}: {_safe(name_of(anomaly.series))}</b>", _safe(size)]
    lines += [_safe(anomaly.explanation)] if anomaly.explanation else []
    ended_ms = anomaly.ended_ms if anomaly.ended_ms is not None else incident.resolved_ms
    return Region(
        f"anomaly:{anomaly.id}",
        anomaly.started_ms,
        None if ended_ms is None else max(ended_ms, anomaly.started_ms),
        _tags(
            [TAG, f"{TAG}:anomaly", f"{TAG}:incident:{incident.id}", f"{TAG}:anomaly:{anomaly.id}", *extra],
            [f"service:{service}", f"signal:{anomaly.series.signal}"],
        ),
        _linked(lines, incident, page),
    )


def _text(incident: Incident, page: str, more: str) -> str:
    ended = f"resolved after {words.span(incident.resolved_ms - incident.started_ms)}" if incident.resolved_ms else ""
    lines = [f"<b>{_safe(incident.title)}</b>", f"{incident.severity}, {ended or incident.status}"]
    for label, row in rows(incident):
        lines.append(f"{label + ': ' if label else '· '}{_safe(row.plain)}")
    return _linked([*lines, more] if more else lines, incident, page)


def _linked(lines: Sequence[str], incident: Incident, page: str) -> str:
    """The lines as far as there is room, and the link in any case."""
    url = incident_url(page, incident.id)
    link = f'<a href="{html.escape(url)}">incident {incident.id}</a>' if url else f"incident {incident.id}"
    return cut("<br>".join(lines), _TEXT_LIMIT - len(link)) + f"<br>{link}"


def _safe(text: str) -> str:
    """Text of others: Grafana shows HTML."""
    return html.escape(clean(text))


def _tags(first: Iterable[str], then: Iterable[str]) -> tuple[str, ...]:
    """Tags as far as Grafana takes them: the first ones always."""
    kept = list(dict.fromkeys(_halves(tag) for tag in first))
    for tag in dict.fromkeys(_halves(tag) for tag in then):
        if len(msgspec.json.encode([*kept, tag])) <= _TAGS_LIMIT:
            kept.append(tag)
    return tuple(kept)


def _halves(tag: str) -> str:
    key, colon, value = clean(tag).partition(":")
    return f"{key[:_TAG_LIMIT]}{colon}{value[:_TAG_LIMIT]}"
