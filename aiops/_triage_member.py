"""One anomaly or alert inside triage, told in the few words that grouping needs."""

from __future__ import annotations

from dataclasses import dataclass, replace

from aiops.model import Anomaly, Event


@dataclass(frozen=True, slots=True)
class Member:
    """An anomaly or an alert, exactly one of the two.

    `same` is what a comeback has in common with what it comes back from: the series, or the alert without its time.
    `start_ms` is never after the moment it was first heard of, so that a sender's clock cannot put an incident into
    the future. `heard_ms` is machine time. `comebacks` counts how often the same alert fired again under its id.
    `pages` is False for evidence, which neither opens, links nor holds an incident.
    """

    id: str
    same: str
    service: str
    start_ms: int
    end_ms: int | None
    heard_ms: int
    pages: bool
    anomaly: Anomaly | None = None
    alert: Event | None = None
    comebacks: int = 0

    @property
    def is_active(self) -> bool:
        """Tell whether it goes on."""
        return self.end_ms is None

    @property
    def order(self) -> tuple[int, str]:
        """Who came first: an incident is named by the smallest of these."""
        return (self.start_ms, self.id)

    @property
    def version_ms(self) -> int:
        """The sender's time of what we know; older words about the same thing are late."""
        if self.anomaly is not None:
            return self.anomaly.updated_ms
        return self.end_ms if self.end_ms is not None else self.start_ms


def from_anomaly(anomaly: Anomaly, now_ms: int, heard_ms: int) -> Member:
    """An anomaly as a member."""
    return Member(
        id=anomaly.id,
        same=str(anomaly.series),
        service=anomaly.series.service or anomaly.series.peer,
        start_ms=min(anomaly.started_ms, now_ms),
        end_ms=anomaly.ended_ms,
        heard_ms=heard_ms,
        pages=anomaly.pages,
        anomaly=anomaly,
    )


def from_alert(alert: Event, now_ms: int, heard_ms: int) -> Member:
    """A firing alert as a member."""
    return Member(
        id=alert.id,
        same=f"{alert.source}|{alert.service}|{alert.labels or alert.description or alert.id}",
        service=alert.service,
        start_ms=min(alert.time_ms, now_ms),
        end_ms=None,
        heard_ms=heard_ms,
        pages=True,
        alert=alert,
    )


def with_anomaly(known: Member, anomaly: Anomaly, heard_ms: int) -> Member:
    """What is known after one more word about an anomaly; late words change nothing, an end is never taken back."""
    if not known.is_active:
        return known
    if anomaly.ended_ms is None and anomaly.updated_ms <= known.version_ms:
        return replace(known, heard_ms=heard_ms)
    return replace(known, anomaly=anomaly, end_ms=anomaly.ended_ms, heard_ms=heard_ms, pages=anomaly.pages)


def with_end(known: Member, end_ms: int, why: str = "") -> Member:
    """The same member, ended now for the reason `why` ("" = its sender said so)."""
    end_ms = max(end_ms, known.start_ms)
    if known.anomaly is not None:
        anomaly = known.anomaly
        told = _joined(anomaly.explanation, why)
        return replace(known, end_ms=end_ms, anomaly=replace(anomaly, ended_ms=end_ms, explanation=told))
    assert known.alert is not None
    alert = replace(known.alert, status="resolved", description=_joined(known.alert.description, why))
    return replace(known, end_ms=end_ms, alert=alert)


def _joined(text: str, why: str) -> str:
    return f"{text} ({why})" if text and why else text or why


def is_apart(one: Member, other: Member) -> bool:
    """Tell whether two stretches of the same thing follow one another, whichever came to us first."""
    return any(a.end_ms is not None and a.end_ms <= b.start_ms for a, b in ((one, other), (other, one)))
