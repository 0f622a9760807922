"""PagerDuty's Events API v2, which refuses what PagerDuty refuses."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tests.notifiers._fake_service import Asked, FakeService, Said

ROUTING_KEY = "0123456789abcdef0123456789ABCDEF"
SIZE_LIMIT_BYTES = 512 * 1024


class FakePagerDuty(FakeService):
    """Alerts by their key: the incidents that were opened, oldest first, and the changes."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.alerts: dict[str, dict[str, Any]] = {}
        self.paged: list[str] = []
        self.resolved: list[str] = []
        self.acknowledged: list[str] = []
        self.changes: list[dict[str, Any]] = []

    def answer(self, asked: Asked) -> Said:
        if asked.size > SIZE_LIMIT_BYTES:
            return Said(413, None)
        if asked.method != "POST" or asked.headers.get("content-type") != "application/json":
            return Said(404, None)
        change = asked.path == "/v2/change/enqueue"
        if not change and asked.path != "/v2/enqueue":
            return Said(404, None)
        faults = _change_faults(asked.body) if change else _event_faults(asked.body)
        if faults:
            return Said(400, {"status": "invalid event", "message": "Event object is invalid", "errors": faults})
        if change:
            self.changes.append(asked.body["payload"])
        else:
            self._take(asked.body)
        return Said(202, {"status": "success", "message": "Event processed", "dedup_key": asked.body.get("dedup_key")})

    def _take(self, body: dict[str, Any]) -> None:
        key = body["dedup_key"]
        if body["event_action"] == "trigger":
            # Another trigger of an open alert changes its details and pages nobody.
            self.paged += [] if key in self.alerts else [key]
            self.alerts[key] = body
        elif body["event_action"] == "acknowledge":
            self.acknowledged += [key] if key in self.alerts else []
        elif self.alerts.pop(key, None):
            self.resolved.append(key)


def _event_faults(body: dict[str, Any]) -> list[str]:
    faults = [] if body.get("routing_key") == ROUTING_KEY else ["'routing_key' is missing or has a wrong length"]
    if body.get("event_action") not in ("trigger", "acknowledge", "resolve"):
        faults.append("'event_action' is missing")
    if not 0 < len(body.get("dedup_key", "")) <= 255:
        faults.append("'dedup_key' is missing or too long")
    if body.get("event_action") == "trigger":
        faults += _payload_faults(body.get("payload", {}))
        if body["payload"].get("severity") not in ("critical", "error", "warning", "info"):
            faults.append("'payload.severity' is invalid")
    return faults + _link_faults(body)


def _change_faults(body: dict[str, Any]) -> list[str]:
    faults = [] if body.get("routing_key") == ROUTING_KEY else ["'routing_key' is missing or has a wrong length"]
    return faults + _payload_faults(body.get("payload", {})) + _link_faults(body)


def _payload_faults(payload: dict[str, Any]) -> list[str]:
    faults = [f"'payload.{name}' is missing" for name in ("summary", "source") if not payload.get(name)]
    if len(payload.get("summary", "")) > 1024:
        faults.append("'payload.summary' is too long")
    try:
        datetime.fromisoformat(payload["timestamp"])
    except (KeyError, ValueError):
        faults.append("'payload.timestamp' is no ISO 8601 time")
    return faults


def _link_faults(body: dict[str, Any]) -> list[str]:
    links = body.get("links", [])
    return [] if all(link.get("href", "").startswith("http") and link.get("text") for link in links) else ["links"]
