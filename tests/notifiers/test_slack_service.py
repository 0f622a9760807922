"""The whole service in front of Slack: an alert becomes a message and a button comes back."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from urllib.parse import urlencode

import httpx
import pytest

from aiops import app, config
from aiops.building.slack import build_desk
from aiops.errors import ConfigError
from aiops.notifiers._slack_desk import OpenedTicket
from aiops.stores.sqlite import open_sqlite
from aiops.verdicts import VerdictBook, VerdictRules
from tests.notifiers import _slack_rules as rules
from tests.notifiers._fake_slack import FakeSlack
from tests.notifiers._slack_world import incident, pressed
from tests.runners._world import eventually

ALERT = {
    "version": "4",
    "status": "firing",
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "Slow", "service": "checkout", "severity": "critical"},
            "annotations": {"summary": "p95 over 1 s", "runbook_url": "https://wiki/slow"},
            "startsAt": "2023-11-14T22:13:20Z",
            "fingerprint": "f1",
        }
    ],
}


def settings_of(slack, folder, back="app_token_file: app, signing_secret_file: signing"):
    for name, text in (("bot", "xoxb-good"), ("app", "xapp-good"), ("signing", "s1gn1ng")):
        (folder / name).write_text(f"{text}\n")
    text = (
        "{listen: {port: 0, public_url: 'https://aiops.example'}, push: {enabled: false}, triage: {group_wait_s: 0},"
        f" notifiers: [{{kind: slack, token_file: bot, channel: '#alerts', api_url: '{slack.url}', gather_s: 0,"
        f" {back}}}]}}"
    )
    return config.parse(text, where="test", environment={}, beside=folder)


async def during(settings, folder, story):
    """Run the service while the story goes on."""
    service, stop, address = app.build(settings, base=folder), asyncio.Event(), asyncio.Queue()
    running = asyncio.create_task(service.run(stop, lambda host, port: address.put_nowait(f"http://{host}:{port}")))
    try:
        async with httpx.AsyncClient(base_url=await address.get()) as web:
            return await story(web, service)
    finally:
        stop.set()
        await running


def signed(payload):
    body, now_s = urlencode({"payload": json.dumps(payload)}).encode(), int(time.time())
    digest = hmac.new(b"s1gn1ng", f"v0:{now_s}:".encode() + body, hashlib.sha256).hexdigest()
    kind = {"content-type": "application/x-www-form-urlencoded"}
    proof = {"x-slack-request-timestamp": str(now_s), "x-slack-signature": f"v0={digest}"}
    return {"content": body, "headers": kind | proof}


def test_an_alert_becomes_a_message_and_buttons_come_back_by_both_ways_over_a_restart(tmp_path):
    with FakeSlack(time.time) as slack:
        settings = settings_of(slack, tmp_path)

        async def first(web, _):
            await asyncio.to_thread(slack.sockets.opened.get, timeout=60)
            await web.post("/webhooks/alertmanager", json=ALERT)
            await eventually(lambda: slack.seen() and slack.thread(slack.seen()[0]["ts"]))
            message = slack.seen()[0]
            ack = rules.buttons(message["blocks"])["aiops:acknowledge"]
            click = pressed("acknowledge", value=ack["value"], ts=message["ts"])
            answer = await web.post("/slack/interactions", **signed(click))
            assert answer.status_code == 200
            await eventually(lambda: "Acknowledged by <@U0ANNA>" in rules.words(slack.seen()[0]["blocks"]))
            await web.post("/slack/interactions", **signed(pressed("noise", value=ack["value"], ts=message["ts"])))
            await eventually(lambda: slack.whispers)
            (verdict,) = (await web.get("/api/v1/verdicts")).json()["verdicts"]
            assert (verdict["answer"], verdict["who"], verdict["via"]) == ("noise", "anna", "slack")
            assert slack.whispers[0]["text"].startswith("Noted as *noise*: alert Slow of checkout: told once it lasts")
            return ack["value"]

        async def second(web, service):
            await asyncio.to_thread(slack.sockets.opened.get, timeout=60)
            slack.sockets.send(pressed("acknowledge", "U0BEN", incident_id, at="2", ts=slack.seen()[0]["ts"]))
            await asyncio.to_thread(slack.sockets.acked.get, timeout=60)
            await eventually(lambda: len(slack.whispers) == 2)

        incident_id = asyncio.run(during(settings, tmp_path, first))
        text = rules.words(slack.seen()[0]["blocks"])
        assert "• *checkout* alert Slow: p95 over 1 s" in text
        assert "<https://wiki/slow|Runbook>" in text
        assert f"<https://aiops.example/incidents/{incident_id}|All details>" in text
        offered = set(rules.buttons(slack.seen()[0]["blocks"]))
        assert offered == {"aiops:real", "aiops:noise", "aiops:expected"}, "what nobody can do here is not offered"
        asyncio.run(during(settings, tmp_path, second))
        assert slack.whispers[1]["text"].startswith("<@U0ANNA> has acknowledged it at")
        assert (len(slack.seen()), slack.duplicates()) == (1, 0)


def test_the_desk_has_what_the_settings_give_and_opens_tickets_in_the_first_tracker(tmp_path):
    class Tracker:
        async def open(self, one):
            return f"OPS-{one.id}", "https://jira.example/browse/OPS"

    store = open_sqlite(tmp_path / "a.sqlite")
    book = VerdictBook(store, VerdictRules(), lambda: 0, lambda _: None)
    assert build_desk(book, {}, {}, {}).offered() == ("acknowledge", "verdict")
    desk = build_desk(book, {}, {"jira": Tracker(), "github": None}, {})
    assert desk.offered() == ("acknowledge", "verdict", "ticket")
    assert asyncio.run(desk.ticket(incident("i1"), "anna")) == OpenedTicket("OPS-i1", "https://jira.example/browse/OPS")
    store.close()


def test_without_a_way_back_no_buttons_are_shown(tmp_path):
    with FakeSlack(time.time) as slack:
        settings = settings_of(slack, tmp_path, back="charts: false")

        async def story(web, _):
            await web.post("/webhooks/alertmanager", json=ALERT)
            await eventually(slack.seen)

        asyncio.run(during(settings, tmp_path, story))
        assert rules.buttons(slack.seen()[0]["blocks"]) == {}


def test_a_revoked_token_makes_the_service_not_ready_and_says_why(tmp_path):
    with FakeSlack(time.time) as slack:
        del slack.tokens["xoxb-good"]

        async def story(web, service):
            await web.post("/webhooks/alertmanager", json=ALERT)
            await eventually(service.store.dead_letters)
            answer = await web.get("/-/ready")
            assert answer.status_code == 503
            assert "slack: chat.postMessage: token_revoked: put a bot token that works into token_file" in answer.text

        asyncio.run(during(settings_of(slack, tmp_path), tmp_path, story))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("token_file: none, channel: C1", "token_file: names a file that is missing: none"),
        ("token_file: bot, channel: ''", "channel"),
        ("token_file: bot, channel: C1, dashboard_url: 'https://g/{nope}'", "dashboard_url: has no {nope}"),
        ("token_file: bot, channel: C1, slo_objective: 1.0", "slo_objective"),
        ("token_file: bot, channel: C1, routes: [{channel: C2, service: [a]}]", "unknown field `service`"),
    ],
)
def test_settings_that_mean_nothing_are_refused(tmp_path, text, said):
    (tmp_path / "bot").write_text("xoxb-good")
    with pytest.raises(ConfigError) as refused:
        built(tmp_path, text)
    assert said in str(refused.value)


def built(folder, text):
    whole = f"{{notifiers: [{{kind: slack, {text}}}]}}"
    app.build(config.parse(whole, where="test", environment={}, beside=folder), base=folder).store.close()
