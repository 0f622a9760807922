"""An alert goes in, and every receiver has it once, through the settings, the outbox and a restart."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack

from aiops import app, config
from aiops.model import Event
from tests.notifiers._fake_github import FakeGithub
from tests.notifiers._fake_grafana import TOKEN, FakeGrafana
from tests.notifiers._fake_jira import FakeJira
from tests.notifiers._fake_pagerduty import ROUTING_KEY, FakePagerDuty
from tests.runners._world import eventually

SETTINGS = """
push: {{enabled: false}}
listen: {{port: 0, public_url: 'https://ops.example'}}
triage: {{group_wait_s: 0, hold_s: 0, rank_timeout_s: 300}}
detection: {{second_opinion: false}}
notifiers:
  - {{kind: grafana, url: '{grafana.url}', token_file: grafana}}
  - {{kind: jira, url: '{jira.url}', email: ops@example.com, token_file: jira, project: OPS}}
  - {{kind: github, url: '{github.url}', repository: acme/shop, token_file: github}}
  - {{kind: pagerduty, url: '{pagerduty.url}', routing_key_file: pagerduty, only: {{severity: [critical]}}}}
"""
SECRETS = {"grafana": TOKEN, "jira": "t0k3n", "github": "ghp_t0k3n", "pagerduty": ROUTING_KEY}


def alert(status):
    labels = (("alertname", "Slow"), ("severity", "critical"))
    return Event(
        "e", int(time.time() * 1000), "cart", "alert", "Slow", source="alertmanager", status=status, labels=labels
    )


def test_every_receiver_is_told_once_of_the_beginning_and_the_end(tmp_path):
    for name, secret in SECRETS.items():
        (tmp_path / name).write_text(secret)

    async def run(text, status, is_done):
        """Run the service until it is done; what it knows of stays in its store."""
        service = app.build(config.parse(text, where="test", beside=tmp_path), base=tmp_path)
        service.store.put_events([alert(status)])
        stop = asyncio.Event()
        running = asyncio.create_task(service.run(stop))
        await eventually(is_done)
        await eventually(lambda: service.store.counts()["outbox"] == 0)
        stop.set()
        await running

    async def story():
        async with AsyncExitStack() as stack:
            fakes = {
                "grafana": FakeGrafana(),
                "jira": FakeJira(),
                "github": FakeGithub(int(time.time() * 1000)),
                "pagerduty": FakePagerDuty(),
            }
            for fake in fakes.values():
                await stack.enter_async_context(fake)
            text = SETTINGS.format(**fakes)
            grafana, jira, github, pagerduty = fakes.values()
            await run(
                text, "firing", lambda: grafana.annotations and jira.issues and github.issues and pagerduty.alerts
            )
            assert jira.issues["OPS-1"]["status"] == "To Do"
            await run(text, "resolved", lambda: pagerduty.resolved)
            assert [issue["status"] for issue in jira.issues.values()] == ["Done"]
            assert [issue["state"] for issue in github.issues.values()] == ["closed"]
            assert (len(pagerduty.paged), len(pagerduty.resolved)) == (1, 1)
            (region,) = grafana.annotations.values()
            assert region["timeEnd"] > region["time"]
            assert "https://ops.example/incidents/" in region["text"]

    asyncio.run(story())
