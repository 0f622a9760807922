"""An incident as a block of text, in the order in which somebody woken up asks: what hurts, why, what changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.text import Text

from aiops import words
from aiops.model import Anomaly, Event, Incident
from aiops.triage.title import name_of
from rca import Evidence, Suspect

_MOST = 5
"""Lines of one kind before the rest is counted: more are not read at night."""
_STATUS_STYLE = {"resolved": "bold white on green", "flapping": "bold black on yellow"}
_SEVERITY_STYLE = {"critical": "bold white on red", "warning": "bold black on yellow"}


def heading(incident: Incident, reason: str, now_ms: int) -> Text:
    """What happened and when, two lines.

    Parameters
    ----------
    reason : why people are told now, as in `Notification`
    now_ms : what "ago" counts from
    """
    style = _STATUS_STYLE.get(incident.status) or _SEVERITY_STYLE[incident.severity]
    line = Text.assemble((f" {reason.upper()} ", style))
    if incident.status != "resolved":
        line.append(f" {incident.severity}", style="red" if incident.severity == "critical" else "yellow")
    line.append(f"  {clean(incident.title)}", style="bold")
    return line.append(f"\n  {_when(incident, now_ms)}", style="dim")


def rows(incident: Incident) -> list[tuple[str, Text]]:
    """What there is to say, each line with its label; the label of further lines of one kind is empty."""
    return [
        (label if number == 0 else "", row) for label, found in _sections(incident) for number, row in enumerate(found)
    ]


def _when(incident: Incident, now_ms: int) -> str:
    started = words.clock(incident.started_ms)
    if incident.resolved_ms is not None:
        lasted = words.span(incident.resolved_ms - incident.started_ms)
        text = f"{incident.id} · {started} to {words.clock(incident.resolved_ms)}, {lasted}"
    else:
        text = f"{incident.id} · since {started}, {words.span(now_ms - incident.started_ms)} ago"
    flaps = f" · came back {incident.flaps} times" if incident.flaps > 1 else ""
    muted = f" · nobody was told: {clean(incident.muted)}" if incident.muted else ""
    return text + flaps + muted


def _sections(incident: Incident) -> Iterator[tuple[str, list[Text]]]:
    paging = [a for a in incident.anomalies if a.pages]
    yield "Hurts", _some([_anomaly(a) for a in _worst(paging)] + [_alert(e) for e in incident.alerts])
    yield "Cause", list(_cause(incident))
    first = incident.ranking.suspects[:1] if not incident.ranking.unknown else ()
    for suspect in first:
        if len(suspect.path) > 1:
            yield "Path", [Text(clean(" -> ".join(suspect.path)))]
        yield "Evidence", _some([_evidence(e) for e in suspect.evidence])
    if len(incident.ranking.suspects) > 1:
        yield "Or else", [_brief(s) for s in incident.ranking.suspects[1:3]]
    yield "Changed", _some([_change(e, incident.started_ms) for e in incident.events])
    yield "Odd too", _some([_anomaly(a) for a in _worst(a for a in incident.anomalies if not a.pages)])


def _worst(anomalies: Iterable[Anomaly]) -> list[Anomaly]:
    """Ongoing ones first, then the rarest."""
    return sorted(anomalies, key=lambda a: (a.ended_ms is not None, -a.rarity, a.started_ms, a.id))


def _some(rows: list[Text]) -> list[Text]:
    hidden = len(rows) - _MOST
    return rows if hidden <= 0 else [*rows[:_MOST], Text.assemble((f"and {hidden} more", "dim"))]


def _anomaly(anomaly: Anomaly) -> Text:
    place = anomaly.series.service or anomaly.series.peer
    size = words.size(anomaly.value, anomaly.expected, anomaly.unit, anomaly.went)
    over = "" if anomaly.ended_ms is None else f", over after {words.span(anomaly.ended_ms - anomaly.started_ms)}"
    rare = f"; {words.how_rare(anomaly.rarity)}{over}"
    return Text.assemble((clean(place), "bold"), f"  {clean(name_of(anomaly.series))} {size}", (rare, "dim"))


def _alert(alert: Event) -> Text:
    said = alert.description or dict(alert.labels).get("alertname", "") or alert.id
    over = ", resolved" if alert.status == "resolved" else ""
    return Text.assemble((clean(alert.service or "?"), "bold"), f"  alert {clean(said)}", (over, "dim"))


def _cause(incident: Incident) -> Iterator[Text]:
    ranking = incident.ranking
    if not ranking.suspects or ranking.unknown:
        yield Text.assemble(("not known: no service stands out", "dim"))
        return
    first = ranking.suspects[0]
    kind = "" if first.kind == "unknown" else f"{first.kind}, "
    yield Text.assemble((clean(first.service), "bold red"), f"  {kind}{words.plain_percent(first.confidence)} sure")
    if first.reason:
        yield Text(clean(first.reason))


def _brief(suspect: Suspect) -> Text:
    reason = f": {clean(suspect.reason)}" if suspect.reason else ""
    row = Text.assemble(clean(suspect.service), (f"  {words.plain_percent(suspect.confidence)}{reason}", "dim"))
    row.truncate(160, overflow="ellipsis")
    return row


def _evidence(evidence: Evidence) -> Text:
    mark = ("+ ", "green") if evidence.strength > 0 else ("- ", "yellow")
    return Text.assemble(mark, clean(evidence.text))


def _change(event: Event, started_ms: int) -> Text:
    apart_ms = event.time_ms - started_ms
    when = f", {words.span(abs(apart_ms))} {'after the start' if apart_ms > 0 else 'before'}"
    what = f"  {event.kind} {clean(event.description)}".rstrip()
    link = f"  {clean(event.url)}" if event.url else ""
    return Text.assemble((clean(event.service), "bold"), what, when, (link, "dim"))


def clean(text: str) -> str:
    r"""Text of others without line breaks and terminal commands.

    >>> clean("a\x1b[2Jb\nc")
    'a [2Jb c'
    """
    return "".join(c if c.isprintable() else " " for c in text)
