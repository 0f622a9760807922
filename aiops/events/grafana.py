"""Webhook of Grafana's alerting, payload version "1", and its signature.

It is Alertmanager's payload with more fields. `DatasourceNoData` and `DatasourceError` are raised by Grafana itself
when a query gave nothing or failed: they carry the labels of the rule, but are not about the service.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

from aiops.events._alerts import read_alerts
from aiops.events._payload import Received
from aiops.series import SERVICE_LABELS

MAX_SIGNATURE_AGE_S = 300.0
"""As Slack has it for the same scheme; a copied request is worthless after that."""

_OWN_ALERTS = ("DatasourceNoData", "DatasourceError")


def read(body: bytes, now_ms: int, names: tuple[str, ...] = SERVICE_LABELS) -> Received:
    """Turn a payload into events; see `read_alerts` for what is raised."""
    return read_alerts(body, now_ms, source="grafana", names=names, unwanted=_unwanted)


def _unwanted(labels: dict[str, str]) -> str:
    return "not about a service" if labels.get("alertname") in _OWN_ALERTS else ""


def signed(
    body: bytes, headers: Mapping[str, str], secret: str, now_s: float, *, header: str, timestamp_header: str = ""
) -> bool:
    """Tell whether a request carries the hex HMAC-SHA256 of its body.

    With `timestamp_header` the signature covers `timestamp:body`, and the time (unix seconds) must be near `now_s`.
    Comparison takes the same time for every wrong signature.
    """
    message = body
    if timestamp_header:
        stamp = headers.get(timestamp_header, "")
        if not (stamp.isascii() and stamp.isdigit() and abs(now_s - int(stamp[:12])) <= MAX_SIGNATURE_AGE_S):
            return False
        message = stamp.encode() + b":" + body
    wanted = hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()
    return hmac.compare_digest(wanted.encode(), headers.get(header, "").strip().lower().encode())
