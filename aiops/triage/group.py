"""An incident in the making: its members and where its life stands."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field

from aiops.model import Event, Incident, Status
from aiops.triage.member import Member
from aiops.triage.title import severity, title
from rca import Ranking

MAX_EXTRA = 20_000
"""Ids kept of one storm's further members: chosen, some MB."""


@dataclass(slots=True)
class Group:
    """Members with a life. Mutable; `Triage` is its only owner.

    Times ending in `_at` are machine time (see `Triage`), those ending in `_ms` are unix time. `members` has all that
    is kept; `extra` the ids of active ones beyond the limit with the time they were last heard of, `further` their
    number ever.
    """

    key: int
    began_at: int
    first: tuple[int, str]
    """The earliest member that may open, as (started_ms, id)."""
    members: dict[str, Member] = field(default_factory=dict)
    changes: dict[str, Event] = field(default_factory=dict)
    status: Status = "forming"
    id: str = ""
    is_storm: bool = False
    muted: str = ""
    is_told: bool = False
    extra: dict[str, int] = field(default_factory=dict)
    further: int = 0
    updated_ms: int = 0
    opened_ms: int | None = None
    resolved_ms: int | None = None
    quiet_at: int | None = None
    resolved_at: int = 0
    flaps: int = 0
    flaps_at: list[int] = field(default_factory=list)
    ranking: Ranking = field(default_factory=Ranking)
    asked_at: int | None = None
    """When a ranking was asked for that has not come."""
    ranked_at: int = 0
    """When a ranking was last asked for."""
    wants_rank: bool = False
    told_cause: str = ""
    next_cause: str = ""
    """A first suspect other than the one told, waiting for a second ranking to agree."""
    causes_told: int = 0
    patient_at: int | None = None
    """Until when it waits to see whether it is more of an incident that is going on."""
    version: int = 0
    """Goes up with every change of anything here."""

    @property
    def core(self) -> list[Member]:
        """Members that may open an incident: all but the evidence."""
        return [m for m in self.members.values() if m.pages]

    @property
    def is_active(self) -> bool:
        """Tell whether anything that holds the incident goes on."""
        return bool(self.extra) or any(m.end_ms is None and m.pages for m in self.members.values())

    @property
    def lasted_ms(self) -> int:
        """From the first word to the last end of what may open it, by the clocks of those who said so."""
        said = [m.start_ms if m.said_ms is None else m.said_ms for m in self.core]
        return max(0, max((m.end_ms for m in self.core if m.end_ms is not None), default=0) - min(said, default=0))

    def pulse(self) -> tuple[object, ...]:
        """Where its life stands; differs after every step of it."""
        return (self.status, self.is_told, self.asked_at, self.ranked_at, self.wants_rank, self.quiet_at)

    def services(self) -> set[str]:
        """Services of the members that link; "" is none."""
        return {m.service for m in self.members.values() if m.pages and m.service}

    def name(self, taken: Collection[str]) -> None:
        """Give it its name, by its earliest member: whoever arrived first does not matter."""
        number, self.id = 0, _name(*self.first, 0)
        while self.id in taken:
            number += 1
            self.id = _name(*self.first, number)

    def add(self, member: Member, most: int) -> bool:
        """Take a member in, or only its id if there are `most`; False if not even that."""
        if len(self.members) < most:
            self.members[member.id] = member
            self.first = min(self.first, member.order) if member.pages else self.first
            return True
        self.further += 1
        if member.pages and member.is_active and len(self.extra) < MAX_EXTRA:
            self.extra[member.id] = member.heard_ms
            return True
        return False

    def flap(self, now_at: int, count: int = 1) -> None:
        """Count comebacks; the latest thousand are remembered with their time."""
        self.flaps += count
        self.flaps_at = [*self.flaps_at, *[now_at] * count][-1000:]

    def recent_flaps(self, now_at: int, window_ms: int) -> int:
        """Comebacks within the last `window_ms`."""
        return sum(now_at - t < window_ms for t in self.flaps_at)

    def incident(self) -> Incident:
        """What everybody else sees of it."""
        members = sorted(self.members.values(), key=lambda m: m.order)
        anomalies = tuple(m.anomaly for m in members if m.anomaly is not None)
        alerts = tuple(m.alert for m in members if m.alert is not None)
        services = tuple(sorted({m.service for m in members if m.service}))
        text = title(anomalies, alerts, self.services(), further=self.further)
        return Incident(
            id=self.id or _name(*self.first, 0),
            status=self.status,
            title=f"storm, too many incidents at once: {text}" if self.is_storm else text,
            severity=severity(anomalies, alerts),
            started_ms=self.first[0],
            updated_ms=self.updated_ms,
            opened_ms=self.opened_ms,
            resolved_ms=self.resolved_ms,
            services=services,
            anomalies=anomalies,
            alerts=alerts,
            events=tuple(sorted(self.changes.values(), key=lambda e: (e.time_ms, e.id))),
            ranking=self.ranking,
            flaps=self.flaps,
            muted=self.muted,
        )


def _name(start_ms: int, member_id: str, number: int) -> str:
    text = f"{start_ms}\x1f{member_id}" + (f"\x1f{number}" if number else "")
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()
