"""What is said in the thread of an incident, and the one message about those that got none of their own."""

from __future__ import annotations

from collections.abc import Sequence

from aiops import words
from aiops.model import Anomaly, Incident
from aiops.notifiers._links import Links
from aiops.notifiers._slack_blocks import cause_line, sign, some, worst
from aiops.notifiers._slack_buttons import CANCEL, CONFIRM, PREFIX, VERDICTS
from aiops.notifiers._slack_message import Message, actions, button, context, header, message, section
from aiops.notifiers._slack_text import link, plain
from aiops.notifiers._slack_thread import NoteKind
from aiops.triage.title import name_of
from rca import Evidence

MOST_EVIDENCE, MOST_SIGNALS, DIGEST_LINES = 8, 12, 40
"""Chosen: what fits a screen; the page has all of it."""


def details(incident: Incident) -> Message:
    """What speaks for the suspects, and every signal that is odd, with its band."""
    blocks = []
    for suspect in [] if incident.ranking.unknown else incident.ranking.suspects[:3]:
        title = f"*{plain(suspect.service)}*, {words.plain_percent(suspect.confidence)} sure"
        lines = some([_evidence(e) for e in suspect.evidence], MOST_EVIDENCE)
        blocks.append(section([title, *lines]) if lines else section([title, "no evidence was noted"]))
    odd = [_signal(a) for a in worst(incident.anomalies)]
    blocks += [section(["*Signals outside their band*", *some(odd, MOST_SIGNALS)])] if odd else []
    blocks += [context(f"_{plain(note, 300)}_") for note in incident.ranking.notes[:3]]
    if not blocks:
        blocks = [section(["No more is known than what the message above says."])]
    return message(f"Details of {plain(incident.title, 300)}", tuple(blocks))


def cause_changed(incident: Incident) -> Message:
    """Another service is thought to be the cause."""
    ranking = incident.ranking
    lines = [f":arrows_counterclockwise: Most likely cause is now {cause_line(ranking, bold=True)}"]
    lines += [plain(s.reason, 400) for s in ranking.suspects[:1] if s.reason and not ranking.unknown]
    return message(": ".join(lines), (section(lines),))


def resolved(incident: Incident) -> Message:
    """It is over."""
    end_ms = incident.resolved_ms if incident.resolved_ms is not None else incident.updated_ms
    lasted = words.span(end_ms - incident.started_ms)
    text = f":white_check_mark: Resolved at {words.clock(end_ms)} after {lasted}."
    return message(text, (section([text, "Was it real? The buttons above teach the detector."]),))


def flapping(incident: Incident) -> Message:
    """It comes and goes."""
    times = words.counted(incident.flaps, "time")
    text = f":repeat: It came back {times}: taken as one incident that flaps, which is resolved once it stays quiet."
    return message(text, (section([text]),))


NOTE_KINDS: dict[str, NoteKind] = {
    "acknowledge": "acknowledged",
    "silence": "silence",
    "ticket": "ticket",
    **dict.fromkeys(VERDICTS, "verdict"),
}
"""What is noted of a button."""


def silence_proposed(what: str, user: str, value: str) -> Message:
    """What a silence would be, with the buttons that make or drop it.

    Parameters
    ----------
    value : of the buttons: incident and proposal
    """
    text = f":no_bell: <@{user}> proposes to silence alerts with {plain(what, 1500)}"
    buttons = [
        button(f"{PREFIX}{CONFIRM}", "Create the silence", value, "danger"),
        button(f"{PREFIX}{CANCEL}", "Do not", value),
    ]
    return message(text, [section([text, "Nothing is silenced yet."]), actions(f"aiops:{value}"[:255], buttons)])


def silence_decided(outcome: str, user: str) -> Message:
    """What became of a proposal."""
    text = f":no_bell: {plain(outcome[:1].upper() + outcome[1:], 1500)} (<@{user}>)"
    return message(text, [section([text])])


def digest(incidents: Sequence[Incident], total: int, cap: int, links: Links) -> Message:
    """Incidents that got no message of their own because there were too many in an hour.

    Parameters
    ----------
    incidents : the first of them, in the order in which they came
    total : how many there are
    """
    title = f"{words.counted(total, 'more incident')} within an hour"
    lines = [_line(incident, links) for incident in incidents[:DIGEST_LINES]]
    hidden = total - len(lines)
    blocks = [header(f":file_folder: {title}")]
    blocks.append(
        context(f"This channel gets at most {words.counted(cap, 'message')} an hour; these came beyond that.")
    )
    blocks += [section(lines[start : start + 10]) for start in range(0, len(lines), 10)]
    if hidden > 0:
        where = (
            link(f"{links.page.rstrip('/')}/", "the page of all incidents")
            if links.page
            else "the page of all incidents"
        )
        blocks.append(context(f"and {hidden} more, see {where}"))
    return message(f"{title}, beyond the {cap} messages an hour of this channel", tuple(blocks))


def chart_title(incident: Incident) -> str:
    """What the chart shows, for its caption and for those who cannot see it."""
    hurting = worst(a for a in incident.anomalies if a.pages)
    if not hurting:
        return f"{incident.title}"[:200]
    place = hurting[0].series.service or hurting[0].series.peer
    return f"{place}: {name_of(hurting[0].series)} with its usual band, from {words.clock(incident.started_ms)}"[:200]


def _line(incident: Incident, links: Links) -> str:
    page = links.page_of(incident)
    title = link(page, incident.title) if page else plain(incident.title)
    return f"• {sign(incident)} · {title} · since {words.clock(incident.started_ms)}"


def _evidence(evidence: Evidence) -> str:
    return f"{'+' if evidence.strength > 0 else '-'} {plain(evidence.text, 300)}"


def _signal(anomaly: Anomaly) -> str:
    place = anomaly.series.service or anomaly.series.peer
    size = plain(words.size(anomaly.value, anomaly.expected, anomaly.unit, anomaly.went))
    low, high = words.quantity(anomaly.lower, anomaly.unit), words.quantity(anomaly.upper, anomaly.unit)
    # A band is symmetric; nobody has seen an error ratio of -1 %.
    band = plain(f"{low} to {high}" if anomaly.lower >= 0.0 or anomaly.expected < 0.0 else f"at most {high}")
    since = words.clock(anomaly.started_ms)
    over = "" if anomaly.ended_ms is None else f" to {words.clock(anomaly.ended_ms)}"
    rare = words.how_rare(anomaly.rarity)
    return f"• *{plain(place)}* {plain(name_of(anomaly.series))} {size}, band {band}, since {since}{over}; {rare}"
