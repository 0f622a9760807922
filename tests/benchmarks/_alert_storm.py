"""Alerts by the thousand against the real service, a process on one core: how it answers, what it tells, and when."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
import numpy as np

from tests.services._aiops_process import AiopsProcess
from tests.services._webhook_receiver import Taken, WebhookReceiver

GROUP_WAIT_S = 5.0
_SETTINGS = """\
push: {{step_s: 15}}
detection: {{second_opinion: false}}
triage: {{group_wait_s: {wait}}}
graph: {{file: '{graph}'}}
notifiers: [{{kind: webhook, name: test, url: '{webhook}'}}]
"""


@dataclass
class Sent:
    """Answers to the requests of a storm: status and seconds of each, and when each service was first told of."""

    statuses: Counter[int] = field(default_factory=Counter)
    took_s: list[float] = field(default_factory=list)
    first_s: dict[str, float] = field(default_factory=dict)

    def p99_ms(self) -> float:
        """The time in which 99 of 100 requests were answered."""
        return float(np.percentile(self.took_s, 99) * 1000)


@dataclass(frozen=True)
class Stormed:
    """What a storm came to: answers, notifications, and the processor time of the service per alert."""

    sent: Sent
    taken: list[Taken]
    cpu_ms: float

    def opened(self) -> Counter[str]:
        """How often each incident was told as opened."""
        return Counter(t.body["incident"]["id"] for t in self.taken if t.body["reason"] == "opened")

    def latencies_s(self) -> list[float]:
        """From the first alert of an incident to its notification, without the group wait."""
        found = []
        for taken in self.taken:
            if taken.body["reason"] == "opened":
                sent_s = min(self.sent.first_s[s] for s in taken.body["incident"]["services"] if s in self.sent.first_s)
                found.append(taken.at_s - sent_s - GROUP_WAIT_S)
        return found


def stormed(folder: Path, graph: str, requests: list[list[tuple[str, str]]], over_s: float) -> Stormed:
    """Send requests of (service, alertname) evenly over some seconds; wait until all that was accepted is told."""
    (folder / "graph.yaml").write_text(graph)
    with WebhookReceiver() as receiver:
        text = _SETTINGS.format(wait=GROUP_WAIT_S, graph=folder / "graph.yaml", webhook=receiver.url)
        with AiopsProcess(folder, text) as service:
            assert service.process is not None
            os.sched_setaffinity(service.process.pid, {max(os.sched_getaffinity(0))})
            service.wait_ready(600.0)
            with suppress(PermissionError):
                # What else the machine does is not what is measured; without the right to say so, it is part of it.
                os.setpriority(os.PRIO_PROCESS, service.process.pid, -5)
            before_s = _cpu_s(service.process.pid)
            sent = _send(service.url, requests, over_s)
            _rest(receiver)
            cpu_s = _cpu_s(service.process.pid) - before_s
        alerts = sum(map(len, requests))
        return Stormed(sent, list(receiver.taken), 1000 * cpu_s / alerts)


def _send(url: str, requests: list[list[tuple[str, str]]], over_s: float) -> Sent:
    """As four Alertmanager replicas would: each waits for its answer, a late one does not hold the others."""
    sent, lock, began = Sent(), threading.Lock(), time.monotonic()

    def work(first: int) -> None:
        with httpx.Client(base_url=url, timeout=30.0) as client:
            for number in range(first, len(requests), 4):
                time.sleep(max(0.0, began + over_s * number / len(requests) - time.monotonic()))
                body = {"version": "4", "status": "firing", "alerts": [_alert(*one) for one in requests[number]]}
                at_s = time.monotonic()
                status = client.post("/webhooks/alertmanager", json=body).status_code
                with lock:
                    sent.statuses[status] += 1
                    sent.took_s.append(time.monotonic() - at_s)
                    for service, _ in requests[number]:
                        sent.first_s.setdefault(service, at_s)

    threads = [threading.Thread(target=work, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sent


def _alert(service: str, name: str) -> dict[str, object]:
    now = datetime.now(UTC).isoformat()
    labels = {"alertname": name, "service": service, "severity": "warning"}
    return {
        "status": "firing",
        "labels": labels,
        "annotations": {"summary": name},
        "startsAt": now,
        "fingerprint": f"{service}{name}",
    }


def _rest(receiver: WebhookReceiver, quiet_s: float = 3 * GROUP_WAIT_S) -> None:
    """Wait until nothing has come for a while."""
    count, since = -1, time.monotonic()
    while time.monotonic() - since < quiet_s:
        if len(receiver.taken) != count:
            count, since = len(receiver.taken), time.monotonic()
        time.sleep(0.2)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
