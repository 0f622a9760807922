"""An Alertmanager-like sender, a service that is killed at random moments, and a receiver that counts.

The sender behaves as Alertmanager does: it repeats a request until it is answered with 2xx. An alert's end is sent once
its incident was told, so that each accepted alert owes two notifications: opened and resolved.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import httpx
import numpy as np

from aiops.demo.encode import HEADERS, encode_block, key_of
from tests.services._aiops_process import AiopsProcess, wait_for
from tests.services._webhook_receiver import WebhookReceiver

_SETTINGS = """\
push: {{step_s: 1, window_s: 4}}
triage: {{group_wait_s: 0.3, hold_s: 0.5}}
graph: {{file: '{graph}'}}
notifiers:
  - {{kind: webhook, name: test, url: '{webhook}'}}
"""
_NEW_ALERT_S = 0.35  # distance of new alerts
_UNDER_WAY = 20  # alerts at once; a slow disk must not pile them up
_ISLANDS = 600
_STUCK_S = 30.0


@dataclass(frozen=True, slots=True)
class Count:
    """What arrived in the end."""

    alerts: int
    lost: int
    repeated: int
    keys_twice: int
    """Incidents and reasons that were told under more than one key: must be 0."""


@dataclass
class _Alert:
    service: str
    starts_at: str
    is_accepted: bool = False
    is_ended: bool = False


@dataclass
class _Sender:
    """Posts alerts and samples until told to stop; `owed` are the services whose alert was accepted."""

    url: str
    receiver: WebhookReceiver
    alerts: list[_Alert] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    no_more: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        due = time.monotonic()
        with httpx.Client(base_url=self.url, timeout=5.0) as client:
            while not self.stop.is_set():
                if time.monotonic() >= due and not self.no_more.is_set() and self.under_way() < _UNDER_WAY:
                    due = time.monotonic() + _NEW_ALERT_S
                    self.alerts.append(_Alert(f"svc-{len(self.alerts)}", _now()))
                    self.push(client)
                told = opened_services(self.receiver)
                for alert in self.alerts:
                    if not alert.is_accepted:
                        alert.is_accepted = _post(client, "/webhooks/alertmanager", json=_payload(alert, "firing"))
                    elif not alert.is_ended and alert.service in told:
                        alert.is_ended = _post(client, "/webhooks/alertmanager", json=_payload(alert, "resolved"))
                self.stop.wait(0.05)

    def under_way(self) -> int:
        """Alerts that have not ended."""
        return sum(not alert.is_ended for alert in self.alerts)

    def push(self, client: httpx.Client) -> None:
        """One step of a few counters, so that detection has cycles to be killed in."""
        now_ms = int(time.time() * 1000)
        keys = [key_of([("__name__", "http_requests_total"), ("service", f"load-{i}")]) for i in range(20)]
        body = encode_block(keys, np.array([now_ms]), np.full((1, 20), now_ms / 1000 % 1e6))
        _post(client, "/api/v1/write", content=body, headers=HEADERS)


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _post(client: httpx.Client, path: str, **body: Any) -> bool:
    try:
        answer = client.post(path, **body)
    except httpx.TransportError:
        return False
    assert answer.status_code not in range(400, 500), answer.text
    return answer.is_success


def _payload(alert: _Alert, status: str) -> dict[str, Any]:
    labels = {"alertname": "Failing", "service": alert.service, "severity": "critical"}
    one = {
        "status": status,
        "labels": labels,
        "annotations": {"summary": f"{alert.service} fails"},
        "startsAt": alert.starts_at,
        "endsAt": _now() if status == "resolved" else "0001-01-01T00:00:00Z",
        "generatorURL": "",
        "fingerprint": f"{hash_of(alert.service):016x}",
    }
    return {
        "version": "4",
        "groupKey": f'{{}}:{{service="{alert.service}"}}',
        "truncatedAlerts": 0,
        "status": status,
        "receiver": "aiops",
        "groupLabels": {"service": alert.service},
        "commonLabels": labels,
        "commonAnnotations": {},
        "externalURL": "http://127.0.0.1:9093",
        "alerts": [one],
    }


def hash_of(text: str) -> int:
    """A number that is the same in every process."""
    return int.from_bytes(text.encode()[-8:].rjust(8, b"\0"), "big")


def told(receiver: WebhookReceiver) -> Counter[tuple[str, str, str]]:
    """How often each (service, reason, key) came, of services with alerts."""
    return Counter(
        (service, taken.body["reason"], taken.body["key"])
        for taken in list(receiver.taken)
        for service in taken.body["incident"]["services"]
        if service.startswith("svc-")
    )


def opened_services(receiver: WebhookReceiver) -> set[str]:
    """Services of which an incident was told."""
    return {service for service, reason, _ in told(receiver) if reason == "opened"}


class KillRun:
    """Kills the service `times` times at moments drawn from `seed`, then lets it finish what it owes."""

    def __init__(self, folder: Path) -> None:
        graph = folder / "graph.yaml"
        # Islands of two, so that no two alerts belong to one incident.
        pairs = "".join(f"  svc-{i}: [store-{i}]\n" for i in range(_ISLANDS))
        graph.write_text(f"edges:\n{pairs}", encoding="utf-8")
        self.receiver = WebhookReceiver()
        self.aiops = AiopsProcess(folder, _SETTINGS.format(graph=graph, webhook=self.receiver.url))
        self.sender = _Sender(self.aiops.url, self.receiver)
        self._thread = threading.Thread(target=self.sender.run, daemon=True)

    def __enter__(self) -> Self:
        self.receiver.__enter__()
        self.aiops.start()
        try:
            self.aiops.wait_ready()
        except TimeoutError:
            self.aiops.kill()
            raise
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.sender.stop.set()
        self._thread.join()
        self.aiops.kill()
        self.receiver.__exit__(*error)

    def kill(self, times: int, seed: int) -> None:
        """Kill and restart; a quarter of the moments fall into the start-up."""
        rng = random.Random(seed)
        for _ in range(times):
            if rng.random() < 0.25:
                time.sleep(rng.uniform(0.1, 2.0))
            else:
                self.aiops.wait_ready()
                time.sleep(rng.uniform(0.0, 2.5))
            self.aiops.kill()
            self.aiops.start()

    def finish(self) -> Count:
        """Stop sending new alerts, wait until nothing is owed or nothing comes any more, and count."""
        self.aiops.wait_ready()
        self.sender.no_more.set()
        have = -1
        while self.owed() and len(self.receiver.taken) > have:
            have = len(self.receiver.taken)
            with suppress(TimeoutError):
                wait_for(lambda: not self.owed(), _STUCK_S, lambda: "")
        if self.owed():
            print("still owed:", sorted(self.owed())[:10], self.aiops.log_tail())
        tally = told(self.receiver)
        keys = Counter((service, reason) for service, reason, _ in tally)
        return Count(
            alerts=len(self.sender.alerts),
            lost=len(self.owed()),
            repeated=sum(n - 1 for n in tally.values()),
            keys_twice=sum(n > 1 for n in keys.values()),
        )

    def owed(self) -> set[tuple[str, str]]:
        """Notifications that every alert sent so far must bring, and that have not come."""
        have = {(service, reason) for service, reason, _ in told(self.receiver)}
        return {(a.service, reason) for a in self.sender.alerts for reason in ("opened", "resolved")} - have
