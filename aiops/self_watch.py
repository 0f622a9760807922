"""Incidents about ourselves: what keeps us from watching is told to whoever is told of everything else.

Pure: conditions and the time in, notifications out. A part is told of once it has not been well for two and a half
intervals, an interval being the step of its data, and is over once it has been well for one. Whoever runs it sees to
it that they get out even when the store does not work.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Literal

from aiops._health import Condition
from aiops.model import Event, Incident, Notification

SERVICE = "aiops"
SOURCE = "aiops itself"
TELL_INTERVALS = 2.5  # chosen: within three, and one failed request is none
CALM_INTERVALS = 1.0  # chosen
INTERVAL_S = 30.0  # of parts that have none of their own: the usual step of data


class SelfWatch:
    """Turns conditions of our parts into incidents.

    Parameters
    ----------
    receivers : who is told
    intervals_s : per part, for those that differ from `INTERVAL_S`
    open_ones : incidents of an earlier run that are not over
    """

    def __init__(
        self,
        receivers: Iterable[str],
        intervals_s: Mapping[str, float] | None = None,
        open_ones: Iterable[Incident] = (),
    ) -> None:
        self._receivers = tuple(receivers)
        self._intervals_s = dict(intervals_s or {})
        self._open = {part_of(one): one for one in open_ones if is_ours(one) and one.status != "resolved"}

    def step(self, conditions: Mapping[str, Condition], now_ms: int) -> list[Notification]:
        """What is to be told now; each notification holds its incident as it is to be saved."""
        told: list[Notification] = []
        for part, condition in conditions.items():
            interval_ms = self._intervals_s.get(part, INTERVAL_S) * 1000
            lasts_ms = now_ms - condition.since_ms
            if not condition.ok and part not in self._open and lasts_ms >= TELL_INTERVALS * interval_ms:
                told += self._opened(part, condition, now_ms)
            elif condition.ok and part in self._open and lasts_ms >= CALM_INTERVALS * interval_ms:
                told += self._resolved(part, condition.since_ms, now_ms)
        for part in [p for p in self._open if p not in conditions]:
            told += self._resolved(part, now_ms, now_ms)
        return told

    def _opened(self, part: str, condition: Condition, now_ms: int) -> list[Notification]:
        name = hashlib.blake2b(f"{SOURCE} {part} {condition.since_ms}".encode(), digest_size=6).hexdigest()
        text = f"{part}: {condition.reason or 'not well'}"
        labels = (("alertname", "AiopsNotWell"), ("part", part), ("service", SERVICE))
        alert = Event(name, condition.since_ms, SERVICE, "alert", text, source=SOURCE, status="firing", labels=labels)
        incident = Incident(
            id=name,
            status="open",
            title=f"aiops does not see everything: {text}"[:300],
            severity="warning" if condition.is_warning else "critical",
            started_ms=condition.since_ms,
            updated_ms=now_ms,
            opened_ms=now_ms,
            services=(SERVICE,),
            alerts=(alert,),
            kind="self",
        )
        self._open[part] = incident
        return self._told(incident, "opened", now_ms)

    def _resolved(self, part: str, ended_ms: int, now_ms: int) -> list[Notification]:
        incident = self._open.pop(part)
        ended_ms = max(ended_ms, incident.started_ms)
        alerts = tuple(replace(a, status="resolved", ended_ms=ended_ms) for a in incident.alerts)
        over = replace(incident, status="resolved", updated_ms=now_ms, resolved_ms=ended_ms, alerts=alerts)
        return self._told(over, "resolved", now_ms)

    def _told(self, incident: Incident, reason: Literal["opened", "resolved"], now_ms: int) -> list[Notification]:
        return [
            Notification(f"{incident.id}:{reason}:{receiver}", incident, receiver, reason, now_ms)
            for receiver in self._receivers
        ]


def is_ours(incident: Incident) -> bool:
    """Tell whether an incident is about ourselves."""
    return incident.kind == "self"


def part_of(incident: Incident) -> str:
    """The part an incident of ours is about; "" for other incidents."""
    return dict(incident.alerts[0].labels).get("part", "") if is_ours(incident) else ""
