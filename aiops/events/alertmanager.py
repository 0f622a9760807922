"""Webhook of Prometheus' Alertmanager, payload version 4.

The status of each alert decides whether it fires, never `endsAt` (while firing it is zero or a guess) and never the
status of the group (which is "firing" as long as one of its alerts is). Replicas of Alertmanager, and one that repeats
itself, give the same event again: its identity is fingerprint and start.
"""

from __future__ import annotations

from aiops.events._alerts import read_alerts
from aiops.events._payload import Received
from aiops.series import SERVICE_LABELS


def read(body: bytes, now_ms: int, names: tuple[str, ...] = SERVICE_LABELS) -> Received:
    """Turn a payload into events; see `read_alerts` for what is raised.

    >>> read(b'{"alerts": [{"status": "firing", "labels": {"alertname": "Slow", "job": "cart"}}]}', 5).events[0].service
    'cart'
    """
    return read_alerts(body, now_ms, source="alertmanager", names=names, unwanted=_unwanted)


def _unwanted(labels: dict[str, str]) -> str:
    # kube-prometheus marks alerts that always fire (Watchdog, InfoInhibitor) this way; they say nothing of a service.
    return "severity none" if labels.get("severity") == "none" else ""
