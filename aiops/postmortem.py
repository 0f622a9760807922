"""An incident as a Markdown page to write a post-mortem in: what is known is filled in, the rest is asked for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from aiops import words
from aiops.model import Incident
from aiops.stores import Outgoing
from aiops.verdicts import Given
from aiops.web.timeline import timeline
from rca import Case

CHARTS = 6
POINTS = 40  # of a chart: chosen, what a page's width can show
_STATES = {"done": "delivered", "pending": "waiting", "dead": "given up"}


@dataclass(frozen=True, slots=True)
class Known:
    """Everything that is kept of an incident. `case` is what the ranker saw; None = it was never ranked."""

    incident: Incident
    messages: Sequence[Outgoing] = ()
    verdicts: Sequence[Given] = ()
    case: Case | None = None


def postmortem(known: Known) -> str:
    """The page."""
    incident = known.incident
    end_ms = incident.resolved_ms
    lasted = f"{words.span(end_ms - incident.started_ms)}" if end_ms is not None else "goes on"
    parts = [
        f"# {_line(incident.title)}\n",
        _table(
            ("what", "is"),
            [
                ("incident", f"`{incident.id}`"),
                ("status", incident.status),
                ("severity", incident.severity),
                ("began", words.moment(incident.started_ms)),
                ("told", words.moment(incident.opened_ms) if incident.opened_ms is not None else "no"),
                ("over", words.moment(end_ms) if end_ms is not None else "not yet"),
                ("lasted", lasted),
                ("services", ", ".join(incident.services)),
                *([("nobody was told", incident.muted)] if incident.muted else []),
            ],
        ),
        "## Summary\n\n_What happened, in three sentences for somebody who was not there._\n",
        _causes(incident),
        _story(incident),
        _evidence(incident),
        _charts(known),
        _messages(known.messages),
        _verdicts(known.verdicts),
        "## What went well, what did not\n\n_..._\n",
        "## Actions\n\n| what | who | until |\n|---|---|---|\n| | | |\n",
    ]
    return "\n".join(part for part in parts if part)


def _causes(incident: Incident) -> str:
    head = "## Probable cause\n"
    if not incident.ranking.suspects:
        return f"{head}\nIt was not ranked.\n"
    lines = [] if not incident.ranking.unknown else ["No cause stands out; these are guesses."]
    for number, suspect in enumerate(incident.ranking.suspects[:3], 1):
        sure = words.plain_percent(suspect.confidence)
        lines.append(f"{number}. **{_line(suspect.service)}** ({sure}): {_line(suspect.reason)}")
        lines += [f"   - {_line(piece.text)}" for piece in suspect.evidence]
    return head + "\n" + "\n".join(lines) + "\n"


def _story(incident: Incident) -> str:
    rows = [(words.moment(m.time_ms), m.when, m.kind, m.service, m.text) for m in timeline(incident)]
    return "## Timeline\n\n" + _table(("time", "from the start", "what", "service", "is"), rows)


def _evidence(incident: Incident) -> str:
    if not incident.anomalies:
        return ""
    rows = [
        (
            str(a.series),
            words.size(a.value, a.expected, a.unit, a.went),
            words.how_rare(a.rarity),
            f"{words.moment(a.started_ms)} to {words.moment(a.ended_ms) if a.ended_ms is not None else 'now'}",
            a.explanation,
        )
        for a in incident.anomalies
    ]
    return "## Deviations\n\n" + _table(("series", "peak", "how rare", "when", "why"), rows)


def _charts(known: Known) -> str:
    if known.case is None:
        return ""
    charts: list[str] = []
    for anomaly in sorted(known.incident.anomalies, key=lambda a: not a.pages):
        series = _series(known.case, anomaly.series.service, anomaly.series.signal, anomaly.series.peer)
        if series is not None and len(charts) < CHARTS:
            charts.append(_chart(str(anomaly.series), anomaly.unit, known.case.times, series))
    return "## Charts\n\n" + "\n".join(charts) if charts else ""


def _series(case: Case, service: str, signal: str, peer: str) -> np.ndarray | None:
    for number, column in enumerate(case.columns):
        if (column.service, column.metric, column.peer or "") == (service, signal, peer):
            return np.asarray(case.values[:, number], float)
    return None


def _chart(name: str, unit: str, times: np.ndarray, values: np.ndarray) -> str:
    """A picture for whoever renders mermaid, and the numbers for everybody."""
    step = max(1, math.ceil(len(values) / POINTS))
    picked = [(int(t), float(v)) for t, v in zip(times[::step], values[::step], strict=True)]
    drawn = [v if math.isfinite(v) else 0.0 for _, v in picked]
    labels = ", ".join(f'"{words.moment(t)[11:16]}"' for t, _ in picked)
    title = _line(name).replace('"', "'")
    head = f'### {_line(name)}{f" ({unit})" if unit else ""}\n\n```mermaid\nxychart-beta\n    title "{title}"\n'
    lines = f"    x-axis [{labels}]\n    line [{', '.join(f'{v:.6g}' for v in drawn)}]\n```\n"
    table = "\n".join(f"{words.moment(int(t))},{v:.6g}" for t, v in zip(times, values, strict=True) if math.isfinite(v))
    return f"{head}{lines}\n<details><summary>as CSV</summary>\n\n```csv\ntime,value\n{table}\n```\n\n</details>\n"


def _messages(messages: Sequence[Outgoing]) -> str:
    rows = [
        (
            words.moment(m.notification.created_ms),
            m.notification.receiver,
            m.notification.reason,
            _STATES[m.state],
            m.note,
        )
        for m in messages
    ]
    return "## Messages\n\n" + (
        _table(("written", "to", "about", "state", "note"), rows) if rows else "None were sent.\n"
    )


def _verdicts(verdicts: Sequence[Given]) -> str:
    rows = [
        (
            words.moment(g.verdict.at_ms),
            g.verdict.who,
            g.verdict.answer + (f" (undone by {g.verdict.undone_by})" if g.verdict.undone_ms is not None else ""),
            g.verdict.note,
            "; ".join(f"{c.subject}: {c.before} -> {c.after}" for c in g.changes),
        )
        for g in verdicts
    ]
    return "## Verdicts\n\n" + _table(("time", "who", "said", "note", "changed"), rows) if rows else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    lines += [f"| {' | '.join(_line(cell) for cell in row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def _line(text: str) -> str:
    """A text from outside as one line of a table, without markup of its own."""
    flat = " ".join(text.split())
    for mark in ("\\", "|", "<", "`", "[", "*", "_"):
        flat = flat.replace(mark, f"\\{mark}") if not (flat.startswith("`") and flat.endswith("`")) else flat
    return flat
