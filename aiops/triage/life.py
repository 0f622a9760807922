"""The life of one incident: forming, open, flapping, resolved.

`step` is asked at every tick, `ranked` when a ranking came. Both change the group and say what is to be done.
"""

from __future__ import annotations

from typing import Literal

from aiops.model import Notification
from aiops.triage.group import Group
from aiops.triage.settings import TriageSettings
from aiops.triage.words import Moment, Rank, Send
from rca import Ranking

Reason = Literal["opened", "cause changed", "flapping", "resolved"]


def is_due(group: Group, settings: TriageSettings, at: int) -> bool:
    """Tell whether the group wait is over and nobody has been asked for a cause."""
    return group.status == "forming" and not group.id and at >= _due_at(group, settings)


def ask(group: Group, when: Moment, since_at: int | None = None) -> Rank:
    """Ask for a ranking; `since_at` is when it was asked for first, if this is a repetition."""
    group.asked_at, group.ranked_at = when.at if since_at is None else since_at, when.at
    group.wants_rank = False
    return Rank(group.incident())


def is_settled(group: Group) -> bool:
    """Tell whether it is over and its cause is known: no ranking changes anything any more."""
    return group.status == "resolved" and bool(_cause(group.ranking))


def ranked(group: Group, ranking: Ranking, settings: TriageSettings, when: Moment) -> list[Rank | Send]:
    """A ranking came: open what waits for it, and tell people when the cause turns out to be another one.

    Of an incident that is over nobody is told any more; its cause is kept for those who look.
    """
    group.asked_at, group.updated_ms, group.ranking = None, when.now_ms, ranking
    if group.status == "resolved":
        return []
    if group.status == "forming":
        return _open(group, settings, when)
    cause = _cause(ranking)
    if not cause or cause == group.told_cause:
        group.next_cause = ""
        return []
    if cause != group.next_cause:
        group.next_cause, group.wants_rank = cause, True
        return []
    group.told_cause, group.next_cause = cause, ""
    group.causes_told += 1
    return _send(group, "cause changed", settings, when)


def step(group: Group, settings: TriageSettings, when: Moment) -> list[Rank | Send]:
    """Do what time asks for of an incident that is not over."""
    if group.status == "forming":
        if group.asked_at is not None and when.at - group.asked_at >= _ms(settings.rank_timeout_s):
            group.asked_at = None
            return _open(group, settings, when)
        if group.asked_at is not None and group.wants_rank:
            # The time-out goes on: a service that restarts again and again must still tell people.
            return [ask(group, when, since_at=group.asked_at)]
        return []
    actions = _tell_unmuted(group, settings, when) + _flapping(group, settings, when)
    actions += _resolve(group, settings, when)
    if group.status != "resolved" and group.wants_rank and when.at >= _next_rank_at(group, settings):
        actions.append(ask(group, when))
    return actions


def step_over(group: Group, settings: TriageSettings, when: Moment) -> list[Rank | Send]:
    """An incident that ended before its cause was known is ranked once more when more is known."""
    return [ask(group, when)] if _wants_cause(group) and when.at >= _next_rank_at(group, settings) else []


def next_at(group: Group, settings: TriageSettings) -> int | None:
    """Machine time at which a step or `is_due` will have something to do if nothing else happens."""
    if group.status == "resolved":
        return _next_rank_at(group, settings) if _wants_cause(group) else None
    if group.status == "forming":
        if group.asked_at is not None:
            return group.asked_at + _ms(settings.rank_timeout_s)
        return _due_at(group, settings)
    times = [_next_rank_at(group, settings)] if group.wants_rank else []
    times += [group.quiet_at + _hold_ms(group, settings, group.quiet_at)] if group.quiet_at is not None else []
    return min(times, default=None)


def _due_at(group: Group, settings: TriageSettings) -> int:
    return max(group.began_at + _ms(settings.group_wait_s), group.patient_at or 0)


def _open(group: Group, settings: TriageSettings, when: Moment) -> list[Rank | Send]:
    group.status, group.opened_ms, group.updated_ms = "open", when.now_ms, when.now_ms
    group.told_cause = _cause(group.ranking)
    return _tell_unmuted(group, settings, when)


def _tell_unmuted(group: Group, settings: TriageSettings, when: Moment) -> list[Rank | Send]:
    if group.is_told or group.muted:
        return []
    group.is_told = True
    return _send(group, "opened", settings, when)


def _flapping(group: Group, settings: TriageSettings, when: Moment) -> list[Rank | Send]:
    if group.status != "open" or group.recent_flaps(when.at, _ms(settings.flap_window_s)) < settings.flap_limit:
        return []
    group.status, group.updated_ms = "flapping", when.now_ms
    return _send(group, "flapping", settings, when)


def _resolve(group: Group, settings: TriageSettings, when: Moment) -> list[Rank | Send]:
    if group.is_active:
        group.quiet_at = None
        return []
    if group.quiet_at is None:
        group.quiet_at = when.at
    if when.at - group.quiet_at < _hold_ms(group, settings, when.at):
        return []
    ends = [m.end_ms for m in group.core if m.end_ms is not None]
    group.status, group.resolved_ms = "resolved", min(max(ends), when.now_ms)
    group.updated_ms, group.resolved_at = when.now_ms, when.at
    return _send(group, "resolved", settings, when)


def _send(group: Group, reason: Reason, settings: TriageSettings, when: Moment) -> list[Rank | Send]:
    """One notification per receiver, with a key that a replay gives again; none while nobody knows of the incident."""
    if group.muted or not group.is_told:
        return []
    told, incident = reason.replace(" ", "-"), group.incident()
    if reason == "cause changed":
        told += f"-{group.causes_told}"
    return [
        Send(Notification(f"{group.id}:{told}:{receiver}", incident, receiver, reason, when.now_ms))
        for receiver in settings.receivers
    ]


def _hold_ms(group: Group, settings: TriageSettings, at: int) -> int:
    """The hold, doubled by each `flap_limit` recent comebacks."""
    doublings = min(group.recent_flaps(at, _ms(settings.flap_window_s)) // settings.flap_limit, 30)
    return _ms(settings.hold_s) * min(settings.max_hold_factor, 1 << doublings)


def _next_rank_at(group: Group, settings: TriageSettings) -> int:
    """A ranking under way is given the time-out before it is asked for again."""
    wait_s = settings.rank_every_s if group.asked_at is None else max(settings.rank_every_s, settings.rank_timeout_s)
    return group.ranked_at + _ms(wait_s)


def _wants_cause(group: Group) -> bool:
    return group.wants_rank and not _cause(group.ranking)


def _cause(ranking: Ranking) -> str:
    return ranking.suspects[0].service if ranking.suspects and not ranking.unknown else ""


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
