"""Incidents as alerts of Alertmanager, and a heartbeat.

Alertmanager forgets an alert that is not sent again, so what fires is sent every minute, and what was resolved for some
minutes more, to every replica. What is being sent is kept in the receipts, so a restart goes on where it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import msgspec

from aiops.errors import StoreError
from aiops.model import Notification
from aiops.notifiers._alert import Alert, alerts_of
from aiops.notifiers._base import Receipt
from aiops.notifiers._replicas import Replicas
from aiops.notifiers.receipts import Receipts
from aiops.silence import WATCHDOG_ALERT

RESEND_MS = 60_000
"""As Prometheus does."""
LOOK_S = 15.0
"""How often health is looked at: chosen, half a usual step of the data."""
KEPT = "alerts"


class AlertmanagerNotifier:
    """Tells all replicas of one Alertmanager.

    Parameters
    ----------
    receipts : where the alerts being sent are kept
    clock : the wall clock, unix ms
    labels : further labels of every alert
    page : where people reach our pages; "" = alerts have no link
    ill : why the service is not healthy, one line per part; None = no heartbeat is sent
    """

    def __init__(
        self,
        replicas: Replicas,
        receipts: Receipts,
        clock: Callable[[], int],
        *,
        labels: Mapping[str, str] | None = None,
        page: str = "",
        ill: Callable[[], Sequence[str]] | None = None,
    ) -> None:
        self._replicas = replicas
        self._receipts = receipts
        self._clock = clock
        self._labels = dict(labels or {})
        self._page = page
        self._ill = ill
        self._sent: dict[str, list[Alert]] = {}
        self._is_loaded = False
        self._alive: Alert | None = None
        self._resend_ms = 0
        self._one = asyncio.Lock()

    async def send(self, notification: Notification) -> Receipt:
        """Make the incident's alert fire, or resolve it."""
        incident = notification.incident
        # One at a time: what fires must not be sent again after its end is on the way.
        async with self._one:
            await self._load()
            now_ms = self._clock()
            alerts = alerts_of(incident, self._sent.get(incident.id, []), now_ms, self._labels, self._page)
            if incident.status == "resolved":
                # Whatever becomes of this request, it is not sent as firing again.
                await self._keep(incident.id, alerts)
            await self._replicas.post([alert.posted(now_ms) for alert in alerts], notification.key)
            await self._keep(incident.id, alerts)
        return Receipt()

    async def tend(self, now_ms: int) -> float:
        """Send again what fires, has just been resolved, and the heartbeat; gives the seconds until it is due again.

        Raises
        ------
        Retry, Reject : a replica did not take it; the others have it
        """
        async with self._one:
            return await self._tend(now_ms)

    async def close(self) -> None:
        """Close connections. The heartbeat ends by itself: who stops us on purpose is to be told as well."""
        await self._replicas.close()

    async def _tend(self, now_ms: int) -> float:
        changed = self._ill is not None and self._beat(now_ms)
        # A clock that was set back must not stop the heartbeat.
        if not changed and self._resend_ms - RESEND_MS <= now_ms < self._resend_ms:
            return LOOK_S
        await self._load()
        for incident_id, kept in [*self._sent.items()]:
            left = [alert for alert in kept if not alert.is_over(now_ms)]
            if len(left) < len(kept):
                await self._keep(incident_id, left)
        alerts = [alert for kept in self._sent.values() for alert in kept] + ([self._alive] if self._alive else [])
        fault = await self._replicas.post([alert.posted(now_ms) for alert in alerts])
        self._resend_ms = now_ms + RESEND_MS
        if fault is not None:
            raise fault
        return LOOK_S

    async def _load(self) -> None:
        """Take up what an earlier run was sending. A store that fails must not keep alerts from being sent again."""
        if self._is_loaded:
            return
        with suppress(StoreError):
            kept = await self._receipts.named(KEPT)
            self._sent = {incident_id: _read(text) for incident_id, text in kept.items()} | self._sent
            self._is_loaded = True

    async def _keep(self, incident_id: str, alerts: list[Alert]) -> None:
        self._sent[incident_id] = alerts
        if not alerts:
            del self._sent[incident_id]
        await self._receipts.note(incident_id, {KEPT: _written(alerts)})

    def _beat(self, now_ms: int) -> bool:
        """Look at our health; True if the heartbeat has just begun or stopped."""
        assert self._ill is not None
        ill, before = list(self._ill()), self._alive
        beats = before is not None and not before.ended_ms
        if not ill and not beats:
            labels = {**self._labels, "alertname": WATCHDOG_ALERT, "severity": "none"}
            text = "aiops is watching. Whoever waits for this alert and does not get it must look at aiops."
            self._alive = Alert(labels, {"summary": text}, now_ms, 0, self._page)
        elif ill and before is not None and beats:
            self._alive = msgspec.structs.replace(before, ended_ms=now_ms)
        elif before is not None and before.is_over(now_ms):
            self._alive = None
        return self._alive is not before and self._alive is not None


def _written(alerts: Sequence[Alert]) -> str:
    return msgspec.json.encode(alerts).decode() if alerts else ""


def _read(text: str) -> list[Alert]:
    return msgspec.json.decode(text, type=list[Alert]) if text else []
