"""A Slack notifier in front of the fake Slack, with a clock that is moved by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from aiops.audit import latest
from aiops.errors import DeliveryError, NotYet, Retry
from aiops.model import Anomaly, Event, Incident, Notification, SeriesKey
from aiops.notifiers._slack_api import SlackApi
from aiops.notifiers._slack_clicks import ClickRules, SlackClicks
from aiops.notifiers._slack_desk import Desk
from aiops.notifiers._slack_state import SlackState
from aiops.notifiers.checks import MemoryReceipts
from aiops.notifiers.receipts import Receipts
from aiops.notifiers.slack import SlackNotifier, SlackSettings
from aiops.secret import Secret
from rca import Evidence, Ranking, Suspect
from tests.notifiers._fake_slack import FakeSlack

START_MS = 1_700_000_000_000
MINUTE_MS = 60_000
OFFERED = ("acknowledge", "verdict", "silence", "ticket")


def anomaly(service: str = "checkout", signal: str = "latency_p95", **more) -> Anomaly:
    values = {
        "id": f"{service}-{signal}",
        "series": SeriesKey(signal, service),
        "kind": "latency",
        "unit": "s",
        "went": "up",
        "pages": True,
        "started_ms": START_MS,
        "updated_ms": START_MS + MINUTE_MS,
        "ended_ms": None,
        "value": 1.9,
        "expected": 0.31,
        "lower": 0.2,
        "upper": 0.4,
        "surprise": 9.0,
        "rarity": 2.0,
    }
    return Anomaly(**(values | more))


def ranking(service: str = "payments", confidence: float = 0.81) -> Ranking:
    evidence = (Evidence("deploy", 0.8, "deployed 2 min before the start"), Evidence("own", -0.2, "its CPU is as ever"))
    suspects = (
        Suspect(service, None, 1.0, confidence, "deploy", "slower since v2.31.0", (service, "checkout"), evidence),
        Suspect("cart", None, 0.2, 0.09),
    )
    return Ranking(suspects, unknown=False)


def incident(name: str = "0123456789ab", **more) -> Incident:
    deploy = Event("d1", START_MS - 2 * MINUTE_MS, "payments", "deploy", "v2.31.0", "https://ci.example/1?a=1&b=2")
    values = {
        "id": name,
        "status": "open",
        "title": "checkout: p95 latency 1.9 s (6.1x)",
        "severity": "critical",
        "started_ms": START_MS,
        "updated_ms": START_MS + MINUTE_MS,
        "opened_ms": START_MS + MINUTE_MS,
        "services": ("checkout", "payments"),
        "anomalies": (anomaly(),),
        "events": (deploy,),
        "ranking": ranking(),
    }
    return Incident(**(values | more))


def note(one: Incident, reason: str = "opened", number: int = 0) -> Notification:
    told = reason.replace(" ", "-") + (f"-{number}" if number else "")
    return Notification(f"{one.id}:{told}:slack", one, "slack", reason, one.updated_ms)


def resolved(one: Incident) -> Incident:
    end_ms = START_MS + 28 * MINUTE_MS
    anomalies = tuple(replace(a, ended_ms=end_ms) for a in one.anomalies)
    return replace(one, status="resolved", resolved_ms=end_ms, updated_ms=end_ms + MINUTE_MS, anomalies=anomalies)


def pressed(action: str, user: str = "U0ANNA", value: str = "0123456789ab", at: str = "1", ts: str = "1.1") -> dict:
    """The payload of a button, as Slack sends it."""
    return {
        "type": "block_actions",
        "team": {"id": "T1"},
        "user": {"id": user, "username": user.removeprefix("U0").lower(), "team_id": "T1"},
        "trigger_id": "1.2.3",
        "container": {"type": "message", "message_ts": ts, "channel_id": "C0ALERTS", "is_ephemeral": False},
        "actions": [{"type": "button", "action_id": f"aiops:{action}", "value": value, "action_ts": at}],
    }


@dataclass
class Saved:
    """Incidents as the store has them."""

    incidents: dict[str, Incident] = field(default_factory=dict)
    cases: dict[str, bytes] = field(default_factory=dict)

    def incident(self, incident_id: str) -> Incident | None:
        return self.incidents.get(incident_id)

    def case(self, incident_id: str) -> bytes | None:
        return self.cases.get(incident_id)


class World:
    """`notifier` may be made anew, as by a restart: what it remembers is in `receipts`."""

    def __init__(self, **settings) -> None:
        self.now_s = (START_MS + 2 * MINUTE_MS) / 1000
        self.slept_s = 0.0
        self.saved, self.receipts = Saved(), MemoryReceipts()
        self.slack = FakeSlack(lambda: self.now_s)
        self.settings = SlackSettings("C0ALERTS", offered=OFFERED)
        self.settings = replace(self.settings, **settings)
        self.chart = None
        self.health: list[str] = []
        self.state = SlackState(Receipts(self.receipts, "slack"))
        self.desk, self.rules = Desk(), ClickRules()
        self.notifier: SlackNotifier
        self.clicks: SlackClicks

    def restart(self, token: str = "xoxb-good", url: str = "") -> SlackNotifier:  # noqa: S107 - of the fake
        self.now_s += 2.0
        api = SlackApi(
            Secret(token), base_url=url or self.slack.url, timeout_s=5.0, steady=lambda: self.now_s, sleep=self.sleep
        )
        self.notifier = SlackNotifier(
            api,
            self.state,
            self.saved,
            self.settings,
            clock=lambda: round(self.now_s * 1000),
            chart=self.chart,
            well=self.health.append,
        )
        now_ms = lambda: round(self.now_s * 1000)
        self.clicks = SlackClicks(self.notifier, desk=self.desk, rules=self.rules, clock=now_ms)
        return self.notifier

    def press(
        self, action: str, user: str = "U0ANNA", value: str = "0123456789ab", at: str = "1", ts: str = ""
    ) -> None:
        """Somebody presses a button, and it is done."""

        async def story() -> None:
            await self.clicks.take(pressed(action, user, value, at, ts or (self.slack.seen() or [{"ts": ""}])[0]["ts"]))
            await self.clicks.work()

        asyncio.run(story())

    def audit(self) -> list[str]:
        """Who did what."""
        kept = asyncio.run(Receipts(self.receipts, "slack").of(""))
        return [one.line for one in reversed(latest(("slack", name, line) for name, line in kept.items()))]

    async def sleep(self, seconds: float) -> None:
        self.slept_s += seconds
        self.now_s += seconds

    def tell(self, one: Incident, reason: str = "opened", number: int = 0) -> None:
        """Save it and tell it, as the service does."""
        self.saved.incidents[one.id] = one
        self.send(note(one, reason, number))

    def deliver(self, one: Incident, reason: str = "opened", number: int = 0) -> list[DeliveryError]:
        """Tell it as the outbox does: until it is taken, each time by a new process. What went wrong meanwhile."""
        failed: list[DeliveryError] = []
        for _ in range(10):
            try:
                self.tell(one, reason, number)
            except NotYet as early:
                failed.append(early)
                self.now_s = max(self.now_s, early.at_ms / 1000)
            except Retry as error:
                failed.append(error)
                self.now_s += max(error.after_s, 2.0)
            else:
                return failed
            self.restart()
        raise AssertionError(f"never taken: {failed}")

    def send(self, *notes: Notification) -> None:
        async def all_of_them() -> None:
            for one in notes:
                await self.notifier.send(one)

        asyncio.run(all_of_them())


@contextmanager
def world(**settings) -> Iterator[World]:
    made = World(**settings)
    with made.slack:
        made.restart()
        yield made
