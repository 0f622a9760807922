"""Storms of faults and restarts: nothing is lost, nothing is there twice, nothing is out of order."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest

from aiops.errors import NotYet, Retry
from aiops.notifiers import Receipts
from aiops.notifiers._rest import Rest, basic
from aiops.notifiers._tickets import TicketNotifier
from aiops.notifiers.checks import MemoryReceipts, example
from aiops.notifiers.github import HEADERS, GithubSettings, GithubTracker, limited
from aiops.notifiers.grafana import GrafanaNotifier
from aiops.notifiers.jira import JiraSettings, JiraTracker
from aiops.notifiers.pagerduty import PagerDutyNotifier
from aiops.secret import Secret
from tests.notifiers._fake_github import FakeGithub
from tests.notifiers._fake_grafana import TOKEN, FakeGrafana
from tests.notifiers._fake_jira import FakeJira, text_of
from tests.notifiers._fake_pagerduty import ROUTING_KEY, FakePagerDuty

INCIDENTS = 8
REASONS = ("opened", "flapping", "resolved")
FAULTS = ("answer 429", "answer 500", "answer 503", "lost 0", "lost 500", "lost 504")
START_MS = example().incident.started_ms


class World:
    """The clock, the receipts that outlive restarts, and the dice."""

    def __init__(self, fake):
        self.fake, self.store, self.rng = fake, MemoryReceipts(), random.Random(7)
        self.now_ms = START_MS
        self.receipts = Receipts(self.store, "r")

    def clock(self):
        return self.now_ms


def grafana(world):
    rest = Rest("grafana", world.fake.url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout_s=5)
    return GrafanaNotifier(rest, world.receipts, world.clock, live=list)


def jira(world):
    rest = Rest("jira", world.fake.url, headers={"Authorization": basic("ops@example.com", Secret("t0k3n"))})
    return TicketNotifier(JiraTracker(rest, JiraSettings("OPS"), "cloud"), world.receipts, world.clock, closes=True)


def github(world):
    headers = {"Authorization": "Bearer ghp_t0k3n", **HEADERS}
    rest = Rest("github", world.fake.url, headers=headers, judge=limited)
    tracker = GithubTracker(rest, GithubSettings("acme/shop"))
    return TicketNotifier(tracker, world.receipts, world.clock, closes=True)


def pagerduty(world):
    rest = Rest("pagerduty", world.fake.url)
    return PagerDutyNotifier(rest, Secret(ROUTING_KEY), world.receipts)


def notes():
    """Every notification of every incident, in the order in which they come about."""
    for number in range(INCIDENTS):
        first = replace(example().incident, id=f"{number:012x}", title=f"incident {number}")
        over = replace(first, status="resolved", resolved_ms=START_MS + 600_000, updated_ms=START_MS + 600_000)
        for reason in REASONS:
            incident = over if reason == "resolved" else first
            yield replace(example(), key=f"{first.id}:{reason}:r", reason=reason, incident=incident)


async def deliver(world, make, note):
    """Try until it is done, with a new notifier each time; time passes between the tries, once it goes back."""
    for number in range(200):
        world.fake.faults = [world.rng.choice(FAULTS) if world.rng.random() < 0.35 else "fine" for _ in range(12)]
        if isinstance(world.fake, FakeJira) and world.rng.random() < 0.3:
            world.fake.index()
        if isinstance(world.fake, FakeGithub):
            # Its clock is an hour behind ours.
            world.fake.now_ms = world.now_ms - 3_600_000
        one = make(world)
        try:
            await one.send(note)
        except (NotYet, Retry):
            world.now_ms += -30_000 if number == 3 else world.rng.randrange(1_000, 40_000)
        else:
            return
        finally:
            await one.close()
    pytest.fail(f"{note.key} is never done")


def stormed(fake, make):
    async def story():
        async with fake:
            world = World(fake)
            for note in notes():
                await deliver(world, make, note)

    asyncio.run(story())
    return fake


def test_tickets_of_jira():
    fake = stormed(FakeJira(), jira)
    assert sorted(issue["fields"]["summary"] for issue in fake.issues.values()) == sorted(
        f"incident {number}" for number in range(INCIDENTS)
    )
    for issue in fake.issues.values():
        assert [text_of(c["body"]).split()[0] for c in issue["comments"]] == ["Flapping:", "Resolved"]
        assert issue["status"] == "Done"


def test_issues_of_github():
    fake = stormed(FakeGithub(START_MS), github)
    assert [issue["title"] for issue in fake.issues.values()] == [f"incident {n}" for n in range(INCIDENTS)]
    for number, issue in fake.issues.items():
        assert [c["body"].split()[0] for c in fake.comments[number]] == ["Flapping:", "Resolved"]
        assert issue["state"] == "closed"


def test_regions_of_grafana():
    fake = stormed(FakeGrafana(), grafana)
    assert len(fake.annotations) == 2 * INCIDENTS
    assert {a["timeEnd"] - a["time"] for a in fake.annotations.values()} == {600_000}


def test_pages_of_pagerduty():
    fake = stormed(FakePagerDuty(), pagerduty)
    assert fake.paged == fake.resolved == [f"aiops-{number:012x}" for number in range(INCIDENTS)]
    assert fake.alerts == {}
