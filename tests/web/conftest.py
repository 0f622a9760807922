"""An incident as it would come out of the machine, for the tests of what people and programs see of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest

from aiops.audit import Audited
from aiops.detection.accepted import Accepted
from aiops.model import Anomaly, Event, Incident, SeriesKey, Status, Suppressed
from aiops.sources._pushed_samples import Taken
from aiops.sources._write_headers import Written, version_of
from aiops.stores import Outgoing
from aiops.telemetry import Telemetry
from aiops.verdicts import VerdictBook
from aiops.web._base import WebSettings
from aiops.web.app import build_app
from rca import Change, Evidence, Ranking, ServiceGraph, Suspect
from tests._verdict_world import book_over

START_MS = 1_700_000_000_000

DEPLOY = Event(
    "d1",
    START_MS - 120_000,
    "payments",
    "deploy",
    "payments v2.14.0",
    "https://ci.example/412",
    "cd",
    "",
    (("team", "pay"),),
)
ALERT = Event(
    "a1",
    START_MS + 60_000,
    "checkout",
    "alert",
    "CheckoutSlow: p95 over 1 s for 1 min",
    "http://prometheus.example/graph",
    "alertmanager",
    "firing",
    (("alertname", "CheckoutSlow"), ("severity", "page")),
)
SLOW = Anomaly(
    id="an1",
    series=SeriesKey("latency_p95", "payments", labels=(("route", "/pay"),)),
    kind="latency",
    unit="s",
    went="up",
    pages=True,
    started_ms=START_MS,
    updated_ms=START_MS + 90_000,
    ended_ms=None,
    value=1.9,
    expected=0.31,
    lower=0.2,
    upper=0.44,
    surprise=9.1,
    rarity=2.4,
    detectors=(("level", 9.1), ("season", math.inf)),
    explanation="above its band for 90 s",
)
GONE = replace(
    SLOW,
    id="an2",
    series=SeriesKey("requests_rate", "checkout", "payments"),
    kind="traffic",
    unit="req/s",
    went="absent",
    ended_ms=START_MS + 60_000,
    value=math.nan,
    expected=120.0,
    lower=math.nan,
    upper=math.nan,
    rarity=math.nan,
    detectors=(),
)
BLAME = Suspect(
    "payments",
    "latency_p95",
    3.1,
    0.83,
    "deploy",
    "payments was deployed 2 min before it became slow",
    ("payments", "checkout", "gateway"),
    (
        Evidence("change", 0.9, "deploy of payments v2.14.0 2 min before the start", (("minutes", 2.0),)),
        Evidence("own deviation", 0.7, "latency_p95 is 6.1x the expected 0.31 s"),
        Evidence("saturation", -0.2, "its database is as busy as always", (("share", math.nan),)),
    ),
    Change(DEPLOY.time_ms, "payments", "deploy", "payments v2.14.0"),
)
OTHERS = tuple(
    Suspect(f"other-{i}", None, 1.0 - i / 100, 0.01, reason="slow because of what it calls") for i in range(12)
)
INCIDENT = Incident(
    id="5f0c1b2a",
    status="open",
    title="payments is slow after a deploy",
    severity="critical",
    started_ms=START_MS,
    updated_ms=START_MS + 90_000,
    opened_ms=START_MS + 30_000,
    services=("checkout", "gateway", "payments"),
    anomalies=(SLOW, GONE),
    alerts=(ALERT,),
    events=(DEPLOY,),
    ranking=Ranking((BLAME, *OTHERS), unknown=False),
)
GRAPH = ServiceGraph([("gateway", "checkout"), ("checkout", "payments")], seen_ms=START_MS)


ACCEPTED = Accepted(
    id="an3",
    series=SeriesKey("cpu_cores", "cart"),
    unit="cores",
    change="deploy",
    change_ms=START_MS,
    accepted_ms=START_MS + 1_800_000,
    before=math.nan,
    after=2.5,
)


@dataclass(frozen=True)
class Sample:
    incident: Incident = INCIDENT
    slow: Anomaly = SLOW
    deploy: Event = DEPLOY
    alert: Event = ALERT
    graph: ServiceGraph = GRAPH


@pytest.fixture(scope="session")
def sample() -> Sample:
    return Sample()


@dataclass
class FakeBackend:
    """A service that remembers what it was given and fails as it is told to."""

    written: list[tuple[bytes, Mapping[str, str]]] = field(default_factory=list)
    otlp: list[tuple[bytes, Mapping[str, str]]] = field(default_factory=list)
    taken: Taken = field(default_factory=Taken)
    told: list[Event] = field(default_factory=list)
    fail: Exception | None = None
    reasons: list[str] = field(default_factory=list)
    known: list[Incident] = field(default_factory=lambda: [INCIDENT])
    asked: list[tuple[Status | None, str, int, int]] = field(default_factory=list)
    undone: list[str] = field(default_factory=list)
    concerns: list[str] = field(default_factory=list)
    held_back: list[Suppressed] = field(default_factory=list)
    sent: list[Outgoing] = field(default_factory=list)
    replayed: list[list[str]] = field(default_factory=list)
    lines: list[Audited] = field(default_factory=list)
    book: VerdictBook = field(default_factory=lambda: book_over(INCIDENT))

    async def write(self, body: bytes, headers: Mapping[str, str]) -> Written:
        return self.direct_write(body, headers)

    def direct_write(self, body: bytes | memoryview, headers: Mapping[str, str]) -> Written:
        if self.fail:
            raise self.fail
        self.written.append((bytes(body), headers))
        return Written(version_of(headers), samples=3)

    async def otlp_metrics(self, body: bytes, headers: Mapping[str, str]) -> Taken:
        if self.fail:
            raise self.fail
        self.otlp.append((body, headers))
        return self.taken

    async def events(self, events: list[Event]) -> None:
        if self.fail:
            raise self.fail
        self.told.extend(events)

    def incidents(self, status: Status | None, service: str, since_ms: int, limit: int) -> list[Incident]:
        if self.fail:
            raise self.fail
        self.asked.append((status, service, since_ms, limit))
        return self.known[:limit]

    def incident(self, incident_id: str) -> Incident | None:
        return next((i for i in self.known if i.id == incident_id), None)

    def accepted(self) -> list[Accepted]:
        return [ACCEPTED]

    async def undo(self, accepted_id: str) -> bool:
        self.undone.append(accepted_id)
        return accepted_id == ACCEPTED.id

    def ready(self) -> list[str]:
        return self.reasons

    def suppressed(self, since_ms: int, incident_id: str, limit: int) -> list[Suppressed]:
        found = [s for s in self.held_back if s.last_ms >= since_ms and incident_id in ("", s.incident_id)]
        return found[:limit]

    def outgoing(self, incident_id: str) -> list[Outgoing]:
        return [row for row in self.sent if row.notification.incident.id == incident_id]

    def dead_letters(self, limit: int) -> list[Outgoing]:
        return [row for row in self.sent if row.state == "dead"][:limit]

    def put_back(self, keys: list[str]) -> int:
        self.replayed.append(keys)
        return len(keys) or 7

    def audit(self, limit: int) -> list[Audited]:
        return self.lines[:limit]

    def warnings(self) -> list[str]:
        return self.concerns

    def metrics(self) -> bytes:
        return b"aiops_build_info 1\n"

    def graph(self) -> ServiceGraph:
        return GRAPH


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


@pytest.fixture
def client(backend: FakeBackend) -> Callable[..., httpx.AsyncClient]:
    """Make a client of an application with given settings; the clock stands 245 s after the sample's start."""

    def make(telemetry: Telemetry | None = None, **settings: Any) -> httpx.AsyncClient:
        app = build_app(backend, WebSettings(**settings), telemetry=telemetry, clock=lambda: START_MS / 1000 + 245)
        return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")

    return make
