"""What a ticket says of an incident: a heading, sections of lines, and short words for what has changed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from aiops import words
from aiops.links import incident_url
from aiops.model import Incident, Notification
from aiops.notifiers._alert import cut
from aiops.notifiers._block import clean, rows

_ADDRESS = re.compile(r"(https?://[^\s<>\"'|{}\\^`\[\]]*[^\s<>\"'|{}\\^`\[\].,;:!?)])")
LINE_LIMIT = 2000
"""Characters of one line; chosen, more is a stack trace that the incident's page has too."""


@dataclass(frozen=True, slots=True)
class Section:
    """Lines under one label."""

    label: str
    lines: tuple[str, ...]


def title(incident: Incident, most: int) -> str:
    """What hurts, on one line of at most `most` characters."""
    return cut(" ".join(clean(incident.title).split()), most)


def sections(incident: Incident, page: str) -> Iterator[Section]:
    """All there is to say, what matters most first.

    Parameters
    ----------
    page : where people reach our pages
    """
    yield Section("", (f"{incident.severity}, since {words.clock(incident.started_ms)}, incident {incident.id}",))
    found: dict[str, list[str]] = {}
    label = ""
    for given, row in rows(incident):
        label = given or label
        found.setdefault(label, []).append(cut(row.plain, LINE_LIMIT))
    for name, lines in found.items():
        yield Section(name, tuple(lines))
    if url := incident_url(page, incident.id):
        yield Section("Read on", (url,))


def pieces(line: str) -> Iterator[tuple[str, bool]]:
    """A line in pieces, each with whether it is an address.

    >>> list(pieces("see https://x/?a=1, please"))
    [('see ', False), ('https://x/?a=1', True), (', please', False)]
    """
    for number, piece in enumerate(_ADDRESS.split(line)):
        if piece:
            yield piece, number % 2 == 1


def change(notification: Notification) -> str:
    """What has changed, in a sentence."""
    incident = notification.incident
    if notification.reason == "resolved":
        lasted = words.span((incident.resolved_ms or incident.updated_ms) - incident.started_ms)
        came_back = f", came back {incident.flaps} times meanwhile" if incident.flaps > 1 else ""
        return f"Resolved after {lasted}{came_back}."
    if notification.reason == "flapping":
        return f"Flapping: it came back {incident.flaps} times."
    suspects = [] if incident.ranking.unknown else incident.ranking.suspects[:1]
    if notification.reason == "cause changed" and suspects:
        first = suspects[0]
        reason = f": {clean(first.reason)}" if first.reason else ""
        said = f"Another cause is more likely now: {clean(first.service)}, {words.plain_percent(first.confidence)} sure"
        return cut(f"{said}{reason}", LINE_LIMIT)
    return f"{notification.reason.capitalize()}: {title(incident, LINE_LIMIT)}"
