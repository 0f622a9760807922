"""PagerDuty through Events API v2: an alert for each incident, and change events for the deploys in it.

`dedup_key` makes repeats harmless: what may have been sent is sent again. A change event has none, and never pages; it
is sent after the alert and once, as far as is known.
"""

from __future__ import annotations

import logging
from typing import Any

from aiops.errors import ConfigError, Reject
from aiops.links import incident_url
from aiops.model import Event, Incident, Notification
from aiops.notifiers._alert import cut, moment
from aiops.notifiers._base import Receipt
from aiops.notifiers._block import clean
from aiops.notifiers._links import hurt_service
from aiops.notifiers._rest import Rest
from aiops.notifiers._ticket_text import change, sections, title
from aiops.notifiers.receipts import Receipts
from aiops.secret import Secret

log = logging.getLogger(__name__)

SUMMARY_LIMIT = 1024
_KEY_LENGTH = 32
_MOST_CHANGES = 10


class PagerDutyNotifier:
    """Tells one service of PagerDuty.

    Parameters
    ----------
    routing_key : of an integration `Events API v2`
    receipts : where it is kept which changes were sent
    page : where people reach our pages
    changes : send change events for the deploys and other changes of an incident

    Raises
    ------
    ConfigError : the routing key is none
    """

    at_once = 8  # chosen: each notification is one request with a key of its own

    def __init__(
        self, rest: Rest, routing_key: Secret, receipts: Receipts, *, page: str = "", changes: bool = True
    ) -> None:
        if len(routing_key.reveal()) != _KEY_LENGTH or not routing_key.reveal().isalnum():
            raise ConfigError("pagerduty", "routing_key_file", f"must hold {_KEY_LENGTH} letters and digits")
        self._rest = rest
        self._routing_key = routing_key
        self._receipts = receipts
        self._page = page
        self._changes = changes

    async def send(self, notification: Notification) -> Receipt:
        """Trigger or resolve, then send the changes that were not sent yet."""
        incident = notification.incident
        dedup_key = _dedup_key(incident)
        body: dict[str, Any] = {"routing_key": self._routing_key.reveal(), "dedup_key": dedup_key}
        if notification.reason == "resolved":
            body["event_action"] = "resolve"
        else:
            body |= {"event_action": "trigger", "client": "aiops", "payload": self._payload(notification)}
            body |= self._links(incident)
        await self._rest.call("POST", "/v2/enqueue", json=body, headers={"Idempotency-Key": notification.key})
        if self._changes and notification.reason != "resolved":
            await self._send_changes(notification)
        return Receipt(dedup_key)

    async def acknowledge(self, incident: Incident, who: str) -> None:
        """Say that somebody takes care of it; nothing happens to one that was not triggered or is resolved.

        Raises
        ------
        Retry, Reject : PagerDuty did not take it
        """
        body = {"routing_key": self._routing_key.reveal(), "dedup_key": _dedup_key(incident)}
        headers = {"Idempotency-Key": f"{incident.id}:acknowledged"}
        await self._rest.call("POST", "/v2/enqueue", json={**body, "event_action": "acknowledge"}, headers=headers)
        log.info("acknowledged incident=%s by=%s", incident.id, who)

    async def close(self) -> None:
        """Close connections."""
        await self._rest.close()

    def _payload(self, notification: Notification) -> dict[str, Any]:
        incident = notification.incident
        service = clean(hurt_service(incident)) or "unknown"
        kinds = sorted({a.kind for a in incident.anomalies if a.pages})
        details: dict[str, Any] = {"notification": notification.key}
        if notification.reason != "opened":
            details["news"] = change(notification)
        # A few dozen lines of at most 2,000 characters stay far below the limit of 512 KB for an event.
        details |= {part.label or "Incident": "\n".join(part.lines) for part in sections(incident, self._page)}
        return {
            "summary": title(incident, SUMMARY_LIMIT),
            "source": cut(service, 255),
            "severity": incident.severity,
            "timestamp": moment(incident.started_ms),
            "component": cut(service, 255),
            "group": "aiops",
            "class": ", ".join(kinds) or "alert",
            "custom_details": details,
        }

    def _links(self, incident: Incident) -> dict[str, Any]:
        url = incident_url(self._page, incident.id)
        links = [{"href": url, "text": "Incident in aiops"}] if url else []
        links += [
            {"href": event.url, "text": cut(f"{event.kind} {clean(event.service)}", 100)}
            for event in incident.events[:_MOST_CHANGES]
            if event.url.startswith(("https://", "http://"))
        ]
        found: dict[str, Any] = {"links": links} if links else {}
        return found | ({"client_url": url} if url else {})

    async def _send_changes(self, notification: Notification) -> None:
        incident = notification.incident
        kept = await self._receipts.recall(incident.id)
        for event in incident.events[:_MOST_CHANGES]:
            name = f"change {event.id}"
            if name in kept:
                continue
            headers = {"Idempotency-Key": notification.key}
            try:
                await self._rest.call("POST", "/v2/change/enqueue", json=self._change(event), headers=headers)
            except Reject as refused:
                # The page is out; what only explains it must not be a dead letter.
                log.warning("change event refused incident=%s change=%s reason=%s", incident.id, event.id, refused)
                await self._receipts.note(incident.id, {name: cut(str(refused), 200)})
            else:
                await self._receipts.note(incident.id, {name: "sent"})

    def _change(self, event: Event) -> dict[str, Any]:
        said = clean(f"{event.service}: {event.kind} {event.description}".rstrip())
        payload = {
            "summary": cut(said, SUMMARY_LIMIT),
            "source": cut(clean(event.source or event.service) or "unknown", 255),
            "timestamp": moment(event.time_ms),
            "custom_details": {"service": clean(event.service), "kind": event.kind, "id": clean(event.id)},
        }
        has_link = event.url.startswith(("https://", "http://"))
        links = {"links": [{"href": event.url, "text": "Change"}]} if has_link else {}
        return {"routing_key": self._routing_key.reveal(), "payload": payload, **links}


def _dedup_key(incident: Incident) -> str:
    return f"aiops-{incident.id}"
