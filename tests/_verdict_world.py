"""A book of verdicts over a shelf of incidents in memory, with a clock that tests move."""

from __future__ import annotations

from collections.abc import Iterable

from aiops.errors import StoreError
from aiops.model import Incident, Verdict
from aiops.policy import Policy
from aiops.verdicts import VerdictBook, VerdictRules

DAY_MS = 86_400_000


class Shelf:
    """What a book needs of a store; it fails while `is_full`."""

    def __init__(self, incidents: Iterable[Incident] = ()) -> None:
        self.by_id = {i.id: i for i in incidents}
        self.kept: dict[str, Verdict] = {}
        self.is_full = False

    def incident(self, incident_id: str) -> Incident | None:
        return self.by_id.get(incident_id)

    def put_verdict(self, verdict: Verdict) -> None:
        if self.is_full:
            raise StoreError("the disk is full")
        self.kept[verdict.id] = verdict

    def verdicts(self, *, since_ms: int = 0, limit: int = 1000) -> list[Verdict]:
        found = [v for v in self.kept.values() if v.at_ms >= since_ms]
        return sorted(found, key=lambda v: -v.at_ms)[:limit]


class World:
    """A book, its clock and the policy it made last."""

    def __init__(self, *incidents: Incident, now_ms: int = 1_700_000_000_000, **rules: object) -> None:
        self.now_ms = now_ms
        self.shelf = Shelf(incidents)
        self.policy = Policy()
        self.rules = VerdictRules(**rules)  # type: ignore[arg-type]  # tests name them
        self.open()

    def open(self) -> None:
        """As after a start."""
        self.book = VerdictBook(self.shelf, self.rules, self._clock, self._changed)  # type: ignore[arg-type]  # all it uses

    def _clock(self) -> int:
        """A millisecond passes between any two things people do."""
        self.now_ms += 1
        return self.now_ms

    def _changed(self, policy: Policy) -> None:
        self.policy = policy


def book_over(*incidents: Incident) -> VerdictBook:
    return World(*incidents).book
