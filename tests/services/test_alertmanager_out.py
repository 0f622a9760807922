"""Incidents go back to a real Alertmanager: they are routed, inhibited, silenced and resolved there like any alert."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import replace

import httpx
import pytest

from aiops.errors import Reject
from aiops.model import Event, Incident, Notification
from aiops.notifiers import Receipts
from aiops.notifiers._alert import moment
from aiops.notifiers._replicas import Replicas
from aiops.notifiers._rest import Rest
from aiops.notifiers.alertmanager import AlertmanagerNotifier
from aiops.notifiers.checks import MemoryReceipts
from aiops.notifiers.silences import Silences
from aiops.silence import Matcher, Silence
from tests.services._aiops_process import AiopsProcess, free_port, wait_for
from tests.services._webhook_receiver import WebhookReceiver

pytestmark = pytest.mark.service

CONFIG = """
route:
  receiver: all
  group_by: [alertname, service]
  group_wait: 0s
  group_interval: 1s
  routes:
    - {{receiver: pager, matchers: ['severity="critical"'], continue: true}}
    - {{receiver: all}}
receivers:
  - {{name: pager, webhook_configs: [{{url: '{pager}'}}]}}
  - {{name: all, webhook_configs: [{{url: '{everybody}'}}]}}
inhibit_rules:
  - {{source_matchers: ['severity="critical"'], target_matchers: ['severity="warning"'], equal: [service]}}
"""


def now_ms():
    return int(time.time() * 1000)


def incident(name, service="cart", severity="critical", **more):
    alert = Event(f"e-{name}", now_ms(), service, "alert", "Slow", status="firing", labels=(("alertname", "Slow"),))
    started = now_ms() - 60_000
    return Incident(
        *(name, "open", f"{service}: Slow", severity, started, started, started),
        services=(service,),
        alerts=(alert,),
        **more,
    )


def note(about, reason="opened"):
    return Notification(f"{about.id}:{reason}:am", about, "am", reason, now_ms())


def replicas(*servers):
    return Replicas([Rest("alertmanager", server.url) for server in servers])


def notifier(*servers, **more):
    return AlertmanagerNotifier(replicas(*servers), Receipts(MemoryReceipts(), "am"), now_ms, **more)


def alerts_of(server):
    """Alerts that are active there now, by incident or name."""
    found = httpx.get(server.url + "/api/v2/alerts").json()
    return {alert["labels"].get("incident", alert["labels"]["alertname"]): alert for alert in found}


def told(receiver):
    """(incident, status) of every alert that a receiver of Alertmanager was notified of."""
    return {(a["labels"].get("incident"), a["status"]) for t in receiver.taken for a in t.body["alerts"]}


def test_incidents_are_routed_by_severity_inhibited_by_service_and_resolved(alertmanager):
    with WebhookReceiver() as pager, WebhookReceiver() as everybody:
        server = alertmanager(CONFIG.format(pager=pager.url, everybody=everybody.url))

        async def story():
            one = notifier(server)
            bad, mild, other = incident("bad"), incident("mild", severity="warning"), incident("other", "db", "warning")
            for about in (bad, mild, other):
                await one.send(note(about))
            wanted = {("bad", "firing"), ("other", "firing")}
            await asyncio.to_thread(wait_for, lambda: wanted <= told(everybody), 20, lambda: str(told(everybody)))
            assert alerts_of(server)["mild"]["status"]["state"] == "suppressed"
            assert alerts_of(server)["mild"]["status"]["inhibitedBy"]
            over = replace(bad, status="resolved", resolved_ms=now_ms())
            await one.send(note(over, "resolved"))
            await asyncio.to_thread(wait_for, lambda: ("bad", "resolved") in told(pager), 20, lambda: str(told(pager)))
            await asyncio.to_thread(
                wait_for, lambda: ("mild", "firing") in told(everybody), 20, lambda: "the inhibited one was not told"
            )
            assert told(pager) == {("bad", "firing"), ("bad", "resolved")}
            assert set(alerts_of(server)) == {"mild", "other"}
            await one.close()

        asyncio.run(story())


def test_an_incident_that_gets_worse_leaves_one_alert(alertmanager):
    with WebhookReceiver() as pager:
        server = alertmanager(CONFIG.format(pager=pager.url, everybody=pager.url))

        async def story():
            one = notifier(server)
            await one.send(note(incident("i", severity="warning")))
            assert alerts_of(server)["i"]["labels"]["severity"] == "warning"
            await one.send(note(incident("i"), "cause changed"))
            assert [a["labels"]["severity"] for a in alerts_of(server).values()] == ["critical"]
            await one.close()

        asyncio.run(story())


def test_the_heartbeat_is_there_while_the_service_is_well_and_gone_when_it_is_not(alertmanager):
    with WebhookReceiver() as nobody:
        server = alertmanager(CONFIG.format(pager=nobody.url, everybody=nobody.url))
        ill = []

        async def story():
            one = notifier(server, ill=lambda: ill, labels={"cluster": "eu"})
            await one.tend(now_ms())
            assert alerts_of(server)["AiopsWatchdog"]["labels"] == {
                "alertname": "AiopsWatchdog",
                "severity": "none",
                "cluster": "eu",
            }
            ill.append("store: the disk is full")
            await one.tend(now_ms())
            assert alerts_of(server) == {}
            await one.close()

        asyncio.run(story())


def test_silences_are_read_created_and_ended(alertmanager):
    with WebhookReceiver() as nobody:
        server = alertmanager(CONFIG.format(pager=nobody.url, everybody=nobody.url))

        async def story():
            ours, theirs = Silences(replicas(server), now_ms), Silences(replicas(server), now_ms)
            alert = incident("i").alerts[0]
            proposed = ours.propose(incident("i"), 3600, "ann")
            made = await ours.create(proposed)
            assert ours.why(alert).startswith("silenced by ann until")
            assert theirs.why(alert) == ""
            await theirs.tend(now_ms())
            # Alertmanager lets no silence start in the past: it starts when it is taken.
            (read,) = theirs.known
            assert read == replace(proposed, id=made, starts_ms=read.starts_ms)
            assert theirs.why(replace(alert, service="db")) == ""

            odd = Matcher("service", "ca.t|d b", is_regex=True), Matcher("env", "dev", is_equal=False)
            await ours.create(Silence(odd, now_ms(), now_ms() + 60_000))
            await theirs.tend(now_ms())
            assert theirs.why(replace(alert, service="d b")) != ""
            await ours.end(made)
            assert ours.why(replace(alert, service="db")) == ""
            await theirs.tend(now_ms())
            assert [s.matchers for s in theirs.known] == [odd]
            await ours.end(made)
            await ours.end("4a2bdf3e-0000-4000-8000-000000000000")
            with pytest.raises(Reject, match="matchers in body"):
                await ours.create(Silence((), now_ms(), now_ms() + 60_000))
            await ours.close()
            await theirs.close()

        asyncio.run(story())


def test_a_silence_that_alertmanager_knows_holds_for_our_alert_of_the_incident_too(alertmanager):
    with WebhookReceiver() as nobody:
        server = alertmanager(CONFIG.format(pager=nobody.url, everybody=nobody.url))

        async def story():
            silences, one = Silences(replicas(server), now_ms), notifier(server)
            made = await silences.create(silences.propose(incident("i"), 3600, "ann"))
            await one.send(note(incident("i")))
            state = lambda: alerts_of(server)["i"]["status"]
            await asyncio.to_thread(wait_for, lambda: state()["silencedBy"] == [made], 20, lambda: str(state()))
            await silences.close()
            await one.close()

        asyncio.run(story())


def test_our_alerts_that_come_back_open_no_incidents(alertmanager, tmp_path):
    with WebhookReceiver() as pager:
        port = free_port()
        server = alertmanager(
            CONFIG.format(pager=pager.url, everybody=f"http://127.0.0.1:{port}/webhooks/alertmanager")
        )
        settings = f"""
triage: {{group_wait_s: 0.2, hold_s: 0.2}}
notifiers: [{{kind: alertmanager, urls: ['{server.url}']}}]
"""
        service = AiopsProcess(tmp_path, settings, port=port)
        with service:
            service.wait_ready()
            labels = {"alertname": "Slow", "service": "cart", "severity": "critical"}
            alert = {"labels": labels, "startsAt": moment(now_ms() - 60_000)}
            httpx.post(server.url + "/api/v2/alerts", json=[alert]).raise_for_status()
            ours = lambda: {status for name, status in told(pager) if name}
            wait_for(lambda: ours() == {"firing"}, 60, service.log_tail)
            # The heartbeat and the incident.
            wait_for(lambda: rejected(service) >= 2, 30, service.log_tail)
            assert len(service.get("/api/v1/incidents")["incidents"]) == 1
            assert "AiopsWatchdog" in alerts_of(server)
            over = {**alert, "endsAt": moment(now_ms())}
            httpx.post(server.url + "/api/v2/alerts", json=[over]).raise_for_status()
            wait_for(lambda: ours() == {"firing", "resolved"}, 60, service.log_tail)
            assert len(service.get("/api/v1/incidents")["incidents"]) == 1


def rejected(service):
    """How many alerts were left out because they are our own."""
    text = httpx.get(service.url + "/metrics").text
    (line,) = re.findall(r'aiops_events_rejected_total\{reason="our own alert",source="alertmanager"\} (\S+)', text)
    return float(line)
