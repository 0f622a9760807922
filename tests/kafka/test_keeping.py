"""Receivers that keep something of each incident, over two workers that deliver: fakes of Slack and Jira, no Kafka."""

from __future__ import annotations

import asyncio
import time

from aiops import config
from aiops._keeping import Keeping
from aiops.building.kafka import Parts, build_receivers
from aiops.building.slack import signed_apps
from aiops.model import Notification
from aiops.stores import Cycle
from aiops.telemetry import Health, Telemetry
from tests.notifiers import _slack_rules as rules
from tests.notifiers._fake_jira import FakeJira
from tests.notifiers._fake_slack import FakeSlack
from tests.notifiers._slack_world import incident, pressed
from tests.runners._world import eventually


def settings_of(slack, jira, folder):
    for name, text in (("bot", "xoxb-good"), ("app", "xapp-good"), ("signing", "s1gn1ng"), ("jira", "t0k3n")):
        (folder / name).write_text(f"{text}\n")
    text = (
        "{kafka: {bootstrap: 'k:9092', partitions: 2, lease_s: 3}, store: {url: 'postgresql://not/opened'},"
        " triage: {group_wait_s: 0}, notifiers: ["
        f"{{kind: slack, token_file: bot, channel: '#alerts', api_url: '{slack.url}', gather_s: 0,"
        "  app_token_file: app, signing_secret_file: signing},"
        f"{{kind: jira, url: '{jira.url}', project: OPS, token_file: jira, email: ops@example.com,"
        "  only: {kind: [predicted]}},"
        f"{{kind: webhook, url: '{slack.url}/nowhere'}}]}}"
    )
    return config.parse(text, where="test", environment={}, beside=folder)


def run(story):
    async def among_fakes():
        with FakeSlack(time.time) as slack:
            async with FakeJira() as jira:
                await story(slack, jira)

    asyncio.run(among_fakes())


class Deliver:
    """A worker's part of it."""

    def __init__(self, settings, store, folder, name):
        self.parts = Parts(settings, store, folder, Health(), Telemetry())
        self.keeping = Keeping(self.parts, name, build_receivers(self.parts))
        self.stop = asyncio.Event()
        self.task = asyncio.create_task(self.keeping.run(self.stop))

    async def end(self):
        self.stop.set()
        await self.task


def test_one_of_two_workers_serves_slack_and_does_what_is_pressed_anywhere(store, tmp_path):
    """A message, a click that came to a gateway, a ticket; then the worker leaves, and the other one goes on."""

    async def story(slack, jira):
        settings = settings_of(slack, jira, tmp_path)
        one = Deliver(settings, store, tmp_path, "one")
        await eventually(lambda: one.keeping.is_held)
        two = Deliver(settings, store, tmp_path, "two")
        await asyncio.to_thread(slack.sockets.opened.get, timeout=60)
        assert one.keeping.names == {"slack", "jira"}, "webhooks are served by all"
        saved = incident()
        told = [Notification(f"{saved.id}:opened:{r}", saved, r, "opened", 1) for r in ("slack", "webhook")]
        await asyncio.to_thread(store.commit, Cycle([saved], told))
        one.keeping.wake()
        await eventually(lambda: slack.seen() and slack.thread(slack.seen()[0]["ts"]))
        await eventually(lambda: store.waiting().keys() == {"webhook"})
        message = slack.seen()[0]
        buttons = rules.buttons(message["blocks"])
        assert {"aiops:noise", "aiops:acknowledge", "aiops:ticket"} <= set(buttons)

        # A gateway without any notifier writes clicks down; the worker that serves Slack finds them.
        (app,) = signed_apps(settings, tmp_path, store, lambda: round(time.time() * 1000))
        value = buttons["aiops:acknowledge"]["value"]
        await app.take(pressed("noise", value=value, ts=message["ts"]))
        await app.take(pressed("ticket", value=value, ts=message["ts"], at="2"))
        await eventually(lambda: "OPS-1" in rules.words(slack.seen()[0]["blocks"]))
        (given,) = one.parts.book().all()
        assert (given.verdict.answer, given.verdict.via) == ("noise", "slack")
        assert one.parts.verdicts["noise"] == 1
        assert len(jira.issues) == 1
        assert not two.keeping.is_held

        await one.end()
        assert not one.keeping.is_held
        await eventually(lambda: two.keeping.is_held)
        await asyncio.to_thread(slack.sockets.opened.get, timeout=60)
        slack.sockets.send(pressed("acknowledge", value=value, ts=message["ts"], at="3"))
        await asyncio.to_thread(slack.sockets.acked.get, timeout=60)
        await eventually(lambda: "Acknowledged by <@U0ANNA>" in rules.words(slack.seen()[0]["blocks"]))
        await two.end()
        assert (len(slack.seen()), slack.duplicates()) == (1, 0)
        assert (one.keeping.counts["slack", "sent"], two.keeping.counts["slack", "sent"]) == (1, 0)

    run(story)


def test_work_of_a_lease_that_fails_is_begun_again(store, tmp_path, monkeypatch):
    async def story(slack, jira):
        faults = [OSError("first time")]
        serve = Keeping._serve

        async def failing(self):
            if faults:
                raise faults.pop()
            await serve(self)

        monkeypatch.setattr(Keeping, "_serve", failing)
        one = Deliver(settings_of(slack, jira, tmp_path), store, tmp_path, "one")
        await asyncio.to_thread(slack.sockets.opened.get, timeout=60)
        assert not faults
        await one.end()

    run(story)
