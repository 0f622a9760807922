"""The contract of a store: what is kept, and what is kept together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from aiops.model import Event, Incident, Notification, Status, Suppressed, Verdict


@dataclass(frozen=True, slots=True)
class Cycle:
    """Everything one cycle changed. It is saved as a whole or not at all.

    Parameters
    ----------
    incidents : new or changed ones
    notifications : for the outbox; a key that is there already is left as it is
    positions : per source, unix ms of the last step fully read
    states : small named blobs
    consumed : numbers of the inbox rows that this cycle has dealt with
    snapshots : detector memory per source
    cases : ranking case per incident
    suppressed : what nobody was told of by itself; what came before for the same reason is counted up
    """

    incidents: Sequence[Incident] = ()
    notifications: Sequence[Notification] = ()
    positions: Mapping[str, int] = field(default_factory=dict)
    states: Mapping[str, bytes] = field(default_factory=dict)
    consumed: Sequence[int] = ()
    snapshots: Mapping[str, bytes] = field(default_factory=dict)
    cases: Mapping[str, bytes] = field(default_factory=dict)
    suppressed: Sequence[Suppressed] = ()


@dataclass(frozen=True, slots=True)
class Received:
    """An event in the inbox and the number of its row."""

    number: int
    event: Event


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A notification in the outbox: how often it was tried, when it is to be tried next, and what was said last.

    `since_ms` is when a dead letter was put back; 0 = it never was. `state` is pending, done or dead.
    """

    notification: Notification
    attempts: int = 0
    next_ms: int = 0
    note: str = ""
    since_ms: int = 0
    state: str = "pending"


class Outbox(Protocol):
    """What is to be sent, for those who send it. Each method may raise `StoreError`; nothing was written then."""

    def pending(self, now_ms: int, limit: int = 100, receiver: str | None = None) -> list[Outgoing]:
        """What may be sent now: of each receiver and incident only the first that is not done, in order."""
        ...

    def waiting(self) -> dict[str, int]:
        """Receivers with something in the outbox, and when (unix ms) the first of it may be sent."""
        ...

    def done(self, key: str) -> None:
        """The receiver has it."""
        ...

    def retry_at(self, key: str, at_ms: int, reason: str, *, failed: bool = True) -> None:
        """Try again, not before `at_ms`; `failed` counts it as an attempt."""
        ...

    def give_way(self, key: str) -> bool:
        """Mark it as done, unsent, if a later one of its incident waits for the same receiver; tell whether."""
        ...

    def dead(self, key: str, reason: str) -> None:
        """Never try again; it stays visible."""
        ...


class Store(Outbox, Protocol):
    """Keeps state over restarts. Every method may be called from any thread.

    Raises
    ------
    StoreError : nothing was written; the message says why and what to do
    """

    def commit(self, cycle: Cycle) -> None:
        """Save a cycle, all of it or nothing."""
        ...

    def put_events(self, events: Sequence[Event]) -> int:
        """Make events durable before their sender is told that we have them.

        Returns
        -------
        How many were new. One that waits already under the same (id, status) counts as a repetition.

        Raises
        ------
        Overloaded : the inbox is full or the store is busy: the sender tries again
        """
        ...

    def inbox(self, limit: int = 10_000) -> list[Received]:
        """Events no cycle has consumed, in the order in which they came."""
        ...

    def incidents(
        self,
        *,
        status: Status | None = None,
        service: str | None = None,
        since_ms: int | None = None,
        before_ms: int | None = None,
        limit: int = 100,
    ) -> list[Incident]:
        """Incidents, latest start first; `since_ms` (inclusive) and `before_ms` (exclusive) bound their start."""
        ...

    def incident(self, incident_id: str) -> Incident | None:
        """One incident."""
        ...

    def case(self, incident_id: str) -> bytes | None:
        """The ranking case of an incident."""
        ...

    def positions(self) -> dict[str, int]:
        """How far each source was read."""
        ...

    def snapshot(self, source: str) -> bytes | None:
        """The detector memory of a source."""
        ...

    def state(self, name: str) -> bytes | None:
        """A small named blob."""
        ...

    def dead_letters(self, limit: int = 100) -> list[Outgoing]:
        """What nobody will be told, latest first."""
        ...

    def receipts(self, receiver: str, incident_id: str) -> dict[str, str]:
        """What a receiver keeps of an incident, by name."""
        ...

    def receipts_named(self, receiver: str, name: str) -> dict[str, str]:
        """What a receiver keeps under one name, by incident."""
        ...

    def shared_receipts(self, prefix: str, limit: int = 1000) -> list[tuple[str, str, str]]:
        """Receipts of no incident whose name begins so, as (receiver, name, value), the greatest name first."""
        ...

    def keep_receipts(self, receiver: str, incident_id: str, values: Mapping[str, str]) -> None:
        """Keep values beside those that are there; "" forgets one. They go when their incident does."""
        ...

    def put_back(self, keys: Sequence[str], now_ms: int) -> int:
        """Try dead letters again as if they were new; how many there were among these."""
        ...

    def outgoing(self, incident_id: str) -> list[Outgoing]:
        """Everything that was or is to be sent of an incident, in order."""
        ...

    def suppressed(self, *, since_ms: int = 0, incident_id: str = "", limit: int = 1000) -> list[Suppressed]:
        """What nobody was told of by itself at that time or later, latest first; "" = of all incidents."""
        ...

    def put_verdict(self, verdict: Verdict) -> None:
        """Keep a verdict, in the place of one with its id."""
        ...

    def verdicts(self, *, since_ms: int = 0, limit: int = 1000) -> list[Verdict]:
        """Verdicts given at that time or later, latest first."""
        ...

    def prune(self, before_ms: int) -> dict[str, int]:
        """Forget what was resolved, done or dead before, with its cases and receipts; how much of what."""
        ...

    def counts(self) -> dict[str, int]:
        """Sizes for metrics: incidents, active, inbox, outbox, dead, bytes."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...
