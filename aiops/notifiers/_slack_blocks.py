"""An incident as the one message that people see of it, in the order in which somebody woken up asks.

What hurts and how much; why, and how sure; what changed; who else feels it; where to read on; what can be done.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from aiops import words
from aiops.model import Anomaly, Event, Incident
from aiops.notifiers._links import Links, time_range
from aiops.notifiers._slack_buttons import buttons_of
from aiops.notifiers._slack_message import Message, actions, context, header, message, section
from aiops.notifiers._slack_text import link, plain
from aiops.notifiers._slack_thread import Note, Thread
from aiops.triage.title import name_of, worst_first
from rca import Ranking

MOST = 5
"""Lines of one kind before the rest is counted: more are not read at night."""

SAME_TIME_MS = 30_000
"""Apart by less than a usual step of the data, two times are the same."""
WORTH_NAMING = 0.05
"""Confidence below which another suspect only takes up room: chosen."""
_SIGNS = {"resolved": ":white_check_mark: Resolved", "flapping": ":repeat: Flapping"}
_SEVERITIES = {"critical": ":red_circle: Critical", "warning": ":large_yellow_circle: Warning"}


def incident_message(incident: Incident, thread: Thread, links: Links, offered: Sequence[str]) -> Message:
    """The message of an incident as it stands now.

    Parameters
    ----------
    thread : what people have said by its buttons
    offered : names of the buttons whose work can be done here, see `buttons_of`
    """
    blocks = [header(f"{sign(incident)} · {incident.title}"), context(_when(incident))]
    blocks += [section(lines) for lines in _sections(incident)]
    blocks += [context(text) for text in (_links(incident, links),) if text]
    blocks += [context(_said(note)) for note in thread.notes]
    if buttons := buttons_of(incident, thread, offered):
        blocks.append(actions(f"aiops:{incident.id}"[:255], buttons))
    return message(fallback(incident), blocks)


def sign(incident: Incident) -> str:
    """How bad it is or that it is over, as an emoji and in words."""
    return _SIGNS.get(incident.status) or _SEVERITIES[incident.severity]


def fallback(incident: Incident) -> str:
    """The line that a phone shows on its lock screen."""
    state = incident.status if incident.status in _SIGNS else incident.severity
    return f"{state.capitalize()}: {plain(incident.title, 300)}. Likely cause: {cause_line(incident.ranking)}"


def _when(incident: Incident) -> str:
    if incident.resolved_ms is None:
        text = f"since {words.clock(incident.started_ms)}"
    else:
        lasted = words.span(incident.resolved_ms - incident.started_ms)
        text = f"{_range(incident.started_ms, incident.resolved_ms)}, {lasted}"
    flaps = f" · came back {words.counted(incident.flaps, 'time')}" if incident.flaps > 1 else ""
    return f"{text}{flaps} · incident {plain(incident.id)}"


def _range(start_ms: int, end_ms: int) -> str:
    """Two times, the day said once if it is the same."""
    start, end = words.clock(start_ms), words.clock(end_ms)
    day, _, rest = end.rpartition(" ")[0].rpartition(" ")
    return f"{start.removesuffix(' UTC')} to {rest} UTC" if start.startswith(f"{day} ") else f"{start} to {end}"


def _sections(incident: Incident) -> Iterator[list[str]]:
    hurts = [_anomaly(a) for a in worst(a for a in incident.anomalies if a.pages)]
    hurts += [_alert(e) for e in sorted(incident.alerts, key=lambda e: (e.status == "resolved", e.time_ms, e.id))]
    yield ["*What hurts*" if incident.status != "resolved" else "*What hurt*", *some(hurts)]
    yield [f"*Most likely cause:* {cause_line(incident.ranking, bold=True)}", *_cause_reason(incident)]
    near = sorted(incident.events, key=lambda e: (abs(e.time_ms - incident.started_ms), e.id))
    changes = some([change_line(e, incident.started_ms) for e in near])
    yield ["*What changed*", *changes] if changes else ["*What changed:* no deploy or other change is known near it"]
    yield [f"*Blast radius:* {_radius(incident)}"]


def worst(anomalies: Iterable[Anomaly]) -> list[Anomaly]:
    """Ongoing ones first, and among them in the order of the title: what users feel most, then the rarest."""
    return sorted(anomalies, key=lambda a: (a.ended_ms is not None, *worst_first(a)))


def some(lines: list[str], most: int = MOST) -> list[str]:
    """The first lines; the rest is counted."""
    return lines if len(lines) <= most else [*lines[:most], f"and {len(lines) - most} more"]


def _anomaly(anomaly: Anomaly) -> str:
    place = anomaly.series.service or anomaly.series.peer
    size = words.size(anomaly.value, anomaly.expected, anomaly.unit, anomaly.went)
    over = "" if anomaly.ended_ms is None else f", over after {words.span(anomaly.ended_ms - anomaly.started_ms)}"
    return f"• *{plain(place)}* {plain(name_of(anomaly.series))} {plain(size)}{over}"


def _alert(alert: Event) -> str:
    said = alert.description or dict(alert.labels).get("alertname", "") or alert.id
    over = ", resolved" if alert.status == "resolved" else ""
    source = f" ({link(alert.url, 'alert')})" if alert.url else ""
    return f"• *{plain(alert.service or 'no service named')}* alert {plain(said, 300)}{over}{source}"


def cause_line(ranking: Ranking, *, bold: bool = False) -> str:
    """The first suspect, its kind and how sure that is."""
    if not ranking.suspects or ranking.unknown:
        return "not known, no service stands out"
    first = ranking.suspects[0]
    kind = "" if first.kind == "unknown" else f" ({plain(first.kind)})"
    name = f"*{plain(first.service)}*" if bold else plain(first.service)
    return f"{name}{kind}, {words.plain_percent(first.confidence)} sure"


def _cause_reason(incident: Incident) -> list[str]:
    if not incident.ranking.suspects or incident.ranking.unknown:
        return [plain(note, 300) for note in incident.ranking.notes[:1]]
    first = incident.ranking.suspects[0]
    lines = [plain(first.reason, 400)] if first.reason else []
    lines += [f"path: {plain(' → '.join(first.path), 300)}"] if len(first.path) > 1 else []
    others = [s for s in incident.ranking.suspects[1:3] if s.confidence >= WORTH_NAMING]
    named = [f"{plain(s.service)} {words.plain_percent(s.confidence)}" for s in others]
    return [*lines, f"or else: {', '.join(named)}"] if named else lines


def change_line(event: Event, started_ms: int) -> str:
    """A change, and how long before or after the start it was."""
    apart_ms = event.time_ms - started_ms
    when = f"{words.span(abs(apart_ms))} {'after the start' if apart_ms > 0 else 'before the start'}"
    when = when if abs(apart_ms) >= SAME_TIME_MS else "as it began"
    more = f" {plain(event.description, 200)}" if event.description else ""
    source = f" ({link(event.url, 'details')})" if event.url else ""
    return f"• *{plain(event.service)}* {event.kind}{more}, {when}{source}"


def _radius(incident: Incident) -> str:
    felt = {a.series.service or a.series.peer for a in incident.anomalies if a.pages}
    felt |= {e.service for e in incident.alerts}
    hurting = sorted(felt - {""})
    others = sorted(set(incident.services) - felt)
    text = f"{words.counted(len(hurting), 'service')} {'hurt' if len(hurting) != 1 else 'hurts'}"
    text += f": {_named(hurting)}" if hurting else ""
    return f"{text}; odd too: {_named(others)}" if others else text


def _named(services: list[str]) -> str:
    shown = ", ".join(plain(s, 60) for s in services[:8])
    return shown if len(services) <= 8 else f"{shown} and {len(services) - 8} more"


def _links(incident: Incident, links: Links) -> str:
    found = []
    if runbook := next((e.runbook for e in incident.alerts if e.runbook), "") or links.runbook_of(incident):
        found.append(link(runbook, "Runbook"))
    if dashboard := links.dashboard_of(incident):
        start_ms, end_ms = time_range(incident)
        found.append(link(dashboard, f"Dashboard, {_range(start_ms, end_ms)}"))
    if page := links.page_of(incident):
        found.append(link(page, "All details"))
    return " · ".join(found)


def _said(note: Note) -> str:
    who, when = f"<@{note.user}>", words.clock(note.at_ms)
    what = {
        "acknowledged": f":eyes: Acknowledged by {who} at {when}",
        "verdict": f":memo: Verdict *{plain(note.text)}* by {who} at {when}",
        "silence": f":no_bell: {plain(note.text)} by {who} at {when}",
        "ticket": f":ticket: Ticket {link(note.url, note.text) if note.url else plain(note.text)} by {who} at {when}",
    }
    return what[note.kind]
