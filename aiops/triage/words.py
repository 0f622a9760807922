"""What triage is told besides anomalies and events, and what it asks for."""

from __future__ import annotations

from dataclasses import dataclass

from aiops.model import Incident, Notification
from rca import Ranking


@dataclass(frozen=True, slots=True)
class Moment:
    """Now: `now_ms` is what people call it, `at` is machine time, which never goes back."""

    now_ms: int
    at: int


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed. All decisions are taken at ticks."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """The answer to `Rank`."""

    incident_id: str
    ranking: Ranking


@dataclass(frozen=True, slots=True)
class Again:
    """More is known than when this incident was ranked: it is asked for again when its turn comes."""

    incident_id: str


@dataclass(frozen=True, slots=True)
class Rank:
    """Please rank the causes of this incident and feed a `Ranked` back."""

    incident: Incident


@dataclass(frozen=True, slots=True)
class Send:
    """Please put this into the outbox."""

    notification: Notification
