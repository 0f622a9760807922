"""A triage with a clock that tests move by the second."""

from __future__ import annotations

from dataclasses import replace

from aiops.model import Anomaly, Event, SeriesKey
from aiops.triage import Rank, Ranked, Send, Tick, Triage, TriageSettings
from rca import Ranking, ServiceGraph, Suspect

START_MS = 1_700_000_000_000
CHAIN = ServiceGraph([("a", "b"), ("b", "c"), ("c", "d"), ("d", "e")])


def alert(name, service="cart", at_s=0, status="firing", **more):
    return Event(name, START_MS + at_s * 1000, service, "alert", name, status=status, **more)


def anomaly(name, service="cart", at_s=0, *, pages=True, **more):
    series = SeriesKey(more.pop("signal", "latency_p95"), service, more.pop("peer", ""))
    start_ms = START_MS + at_s * 1000
    numbers = {"value": 2.0, "expected": 0.5, "lower": 0.4, "upper": 0.6, "surprise": 9.0, "rarity": 2.0} | more
    kind = numbers.pop("kind", "latency")
    went = numbers.pop("went", "up")
    return Anomaly(name, series, kind, "s", went, pages, start_ms, start_ms, None, **numbers)


def ended(item, at_s):
    return replace(item, updated_ms=START_MS + at_s * 1000, ended_ms=START_MS + at_s * 1000)


class Told:
    """A triage with its clock in seconds; rankings are answered with `cause`, or not at all if it is None."""

    def __init__(self, cause="", graph=None, **settings):
        self.triage = Triage(TriageSettings(**settings))
        self.triage.graph = graph or ServiceGraph()
        self.cause = cause
        self.keys: list[str] = []
        self.ranks: list[str] = []

    def feed(self, at_s, *items, muted=""):
        for item in (*items, Tick()):
            self._take(self.triage.feed(item, START_MS + round(at_s * 1000), muted), at_s)
        return self.triage.incidents()

    def _take(self, actions, at_s):
        for action in actions:
            if isinstance(action, Send):
                self.keys.append(action.notification.key.split(":", 1)[1])
                continue
            assert isinstance(action, Rank)
            self.ranks.append(action.incident.id)
            if self.cause is not None:
                found = (Suspect(self.cause, None, 1.0, 0.9),) if self.cause else ()
                answer = Ranked(action.incident.id, Ranking(found, unknown=not found))
                self._take(self.triage.feed(answer, START_MS + round(at_s * 1000)), at_s)
