"""One anomaly or alert inside triage, told in the few words that grouping needs."""

from __future__ import annotations

from dataclasses import dataclass, replace

from aiops.model import Anomaly, Event
from aiops.policy import Quiet


@dataclass(frozen=True, slots=True)
class Member:
    """An anomaly or an alert, exactly one of the two.

    `same` is what a comeback has in common with what it comes back from: the series, or the alert without its time.
    `start_ms` is never after the moment it was first heard of, so that a sender's clock cannot put an incident into
    the future. `said_ms` is when its sender first spoke of it, by the sender's clock: of an anomaly when it was known
    to be one, of an alert its start. `heard_ms` is machine time. `comebacks` counts how often the same alert fired
    again under its id. `pages` is False for evidence, which neither opens, links nor holds an incident. `quiet` says
    why something that would page is evidence all the same, and `quiet_at` until when (machine time; None = until it
    grows).
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
    quiet: str = ""
    quiet_at: int | None = None
    said_ms: int | None = None

    @property
    def item(self) -> Anomaly | Event:
        """What it is."""
        if self.anomaly is not None:
            return self.anomaly
        assert self.alert is not None
        return self.alert

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


def from_anomaly(anomaly: Anomaly, now_ms: int, heard_ms: int, quiet: Quiet | None = None) -> Member:
    """An anomaly as a member."""
    member = Member(
        id=anomaly.id,
        same=str(anomaly.series),
        service=anomaly.series.service or anomaly.series.peer,
        start_ms=min(anomaly.started_ms, now_ms),
        end_ms=anomaly.ended_ms,
        heard_ms=heard_ms,
        pages=anomaly.pages,
        anomaly=anomaly,
        said_ms=anomaly.updated_ms,
    )
    return quieted(member, quiet, now_ms)


def from_alert(alert: Event, now_ms: int, heard_ms: int, quiet: Quiet | None = None) -> Member:
    """A firing alert as a member."""
    member = Member(
        id=alert.id,
        same=f"{alert.source}|{alert.service}|{alert.labels or alert.description or alert.id}",
        service=alert.service,
        start_ms=min(alert.time_ms, now_ms),
        end_ms=None,
        heard_ms=heard_ms,
        pages=True,
        alert=alert,
        said_ms=alert.time_ms,
    )
    return quieted(member, quiet, now_ms)


def quieted(member: Member, quiet: Quiet | None, now_ms: int) -> Member:
    """The same member as evidence, for a reason that may end."""
    if quiet is None or not member.pages:
        return member
    quiet_at = None if quiet.until_ms is None else member.heard_ms + max(0, quiet.until_ms - now_ms)
    return replace(member, pages=False, quiet=quiet.reason, quiet_at=quiet_at)


def woken(member: Member) -> Member:
    """The same member when nothing keeps it quiet any more."""
    return replace(member, pages=True, quiet="", quiet_at=None)


def with_anomaly(known: Member, anomaly: Anomaly, heard_ms: int, now_ms: int = 0, quiet: Quiet | None = None) -> Member:
    """What is known after one more word about an anomaly; late words change nothing, an end is never taken back.

    Whoever was woken by it stays so: it is not made quiet afterwards.
    """
    if not known.is_active:
        return known
    if anomaly.ended_ms is None and anomaly.updated_ms <= known.version_ms:
        return replace(known, heard_ms=heard_ms)
    news = replace(known, anomaly=anomaly, end_ms=anomaly.ended_ms, heard_ms=heard_ms, pages=anomaly.pages)
    if known.pages or quiet is None:
        return replace(news, quiet="", quiet_at=None)
    return quieted(news, quiet, now_ms)


def with_end(known: Member, end_ms: int, why: str = "") -> Member:
    """The same member, ended now for the reason `why` ("" = its sender said so)."""
    end_ms = max(end_ms, known.start_ms)
    if known.anomaly is not None:
        anomaly = known.anomaly
        told = _joined(anomaly.explanation, why)
        return replace(known, end_ms=end_ms, anomaly=replace(anomaly, ended_ms=end_ms, explanation=told))
    assert known.alert is not None
    told = _joined(known.alert.description, why)
    alert = replace(known.alert, status="resolved", description=told, ended_ms=end_ms)
    return replace(known, end_ms=end_ms, alert=alert)


def _joined(text: str, why: str) -> str:
    return f"{text} ({why})" if text and why else text or why


def is_apart(one: Member, other: Member) -> bool:
    """Tell whether two stretches of the same thing follow one another, whichever came to us first."""
    return any(a.end_ms is not None and a.end_ms <= b.start_ms for a, b in ((one, other), (other, one)))
