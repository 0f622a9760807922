"""What the tests of bad input tell the service, and how they read what it says of it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from aiops.demo.encode import HEADERS, encode
from tests.services._webhook_receiver import WebhookReceiver

_SETTINGS = """\
push: {{step_s: 1, window_s: 4}}
triage: {{group_wait_s: 0.3, hold_s: 0.5}}
graph: {{file: '{graph}'}}
notifiers:
  - {{kind: webhook, name: test, url: '{webhook}'}}
"""
_ISLANDS = 40
_started: dict[str, str] = {}

_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")
Labels = tuple[tuple[str, str], ...]


def settings(folder: Path, receiver: WebhookReceiver) -> str:
    """A configuration with quick steps and one receiver.

    Its graph has the services island-0, island-1 ...: too far apart for any two of them to share an incident.
    """
    graph = folder / "graph.yaml"
    pairs = "".join(f"  island-{n}: [store-{n}]\n" for n in range(_ISLANDS))
    graph.write_text(f"edges:\n{pairs}", encoding="utf-8")
    return _SETTINGS.format(webhook=receiver.url, graph=graph)


def alert(service: str, *, ended: bool = False, **labels: str) -> dict[str, Any]:
    """An Alertmanager payload with one alert, which began when it was first asked for."""
    start = _started.setdefault(service, _now())
    named = {"alertname": "Failing", "service": service, "severity": "critical"} | labels
    status = "resolved" if ended else "firing"
    one = {"status": status, "labels": named, "annotations": {}, "startsAt": start, "fingerprint": f"of-{service}"}
    if ended:
        one["endsAt"] = _now()
    return {"version": "4", "groupKey": "{}", "status": status, "receiver": "aiops", "alerts": [one]}


def post_alert(url: str, service: str, **labels: str) -> httpx.Response:
    """Send one firing alert as Alertmanager does."""
    return httpx.post(f"{url}/webhooks/alertmanager", json=alert(service, **labels), timeout=30.0)


def post_samples(url: str, series: Iterable[tuple[Labels, Iterable[tuple[int, float]]]]) -> httpx.Response:
    """Send samples by remote_write."""
    return httpx.post(f"{url}/api/v1/write", content=encode(series), headers=HEADERS, timeout=30.0)


def requests_of(service: str, **more: str) -> Labels:
    """Labels of a counter that the packs watch, sorted."""
    return tuple(sorted({"__name__": "http_requests_total", "service": service, **more}.items()))


def metric(text: str, name: str, **labels: str) -> float:
    """The sum of the samples of a metric that have these labels.

    >>> metric('a_total{x="1",y="2"} 3.0', "a_total", x="1")
    3.0
    """
    wanted = {f'{key}="{value}"' for key, value in labels.items()}
    found = [_SAMPLE.match(line) for line in text.splitlines()]
    hits = [m for m in found if m and m[1] == name and wanted <= set((m[2] or "").split(","))]
    assert hits, f"no sample of {name} with {labels}"
    return sum(float(m[3]) for m in hits)


def scraped(url: str, name: str, **labels: str) -> float:
    """A value of the service's own /metrics."""
    return metric(httpx.get(f"{url}/metrics", timeout=30.0).text, name, **labels)


def opened(receiver: WebhookReceiver) -> list[str]:
    """Services of the incidents that were told as opened, once per request."""
    return [
        s
        for taken in list(receiver.taken)
        if taken.body["reason"] == "opened"
        for s in taken.body["incident"]["services"]
    ]


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def now_ms() -> int:
    """Unix milliseconds."""
    return int(time.time() * 1000)
