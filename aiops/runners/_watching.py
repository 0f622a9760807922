"""Gets what is to be said about ourselves out, also when the store does not work."""

from __future__ import annotations

import asyncio
import logging

from aiops.delivery import Carrier
from aiops.errors import StoreError
from aiops.model import Notification
from aiops.self_watch import SERVICE, SelfWatch
from aiops.stores import Cycle, Store
from aiops.telemetry import Health, Telemetry

log = logging.getLogger(__name__)


class Watching:
    """Looks at health and tells of what is not well.

    Parameters
    ----------
    filled : set when there is something in the outbox
    """

    def __init__(
        self, store: Store, delivery: Carrier, health: Health, telemetry: Telemetry, filled: asyncio.Event
    ) -> None:
        self._store, self._delivery, self._health, self._telemetry = store, delivery, health, telemetry
        self._filled = filled
        self._watch: SelfWatch | None = None
        self._unsaved: list[Notification] = []
        self._sent: set[str] = set()

    async def look(self, now_ms: int, intervals_s: dict[str, float]) -> None:
        """Tell what is to be told now."""
        if self._watch is None:
            self._watch = await self._start(intervals_s)
        notes = self._watch.step(self._health.conditions(), now_ms)
        for incident in {n.incident.id: n.incident for n in notes}.values():
            log.warning("self-incident %s id=%s what=%s", incident.status, incident.id, incident.title)
            self._telemetry.incident(incident)
        self._unsaved += notes
        if self._unsaved:
            await self._save()

    async def _start(self, intervals_s: dict[str, float]) -> SelfWatch:
        try:
            known = await asyncio.to_thread(self._store.incidents, status="open", service=SERVICE)
        except StoreError:
            known = []
        return SelfWatch(self._delivery.receivers, intervals_s, known)

    async def _save(self) -> None:
        latest = {n.incident.id: n.incident for n in self._unsaved}
        try:
            await asyncio.to_thread(self._store.commit, Cycle(tuple(latest.values()), self._unsaved))
            for key in [n.key for n in self._unsaved if n.key in self._sent]:
                await asyncio.to_thread(self._store.done, key)
        except StoreError:
            waiting = [n for n in self._unsaved if n.key not in self._sent]
            taken = await asyncio.gather(*(self._delivery.send_directly(n) for n in waiting))
            self._sent |= {n.key for n, is_taken in zip(waiting, taken, strict=True) if is_taken}
            return
        self._unsaved, self._sent = [], set()
        self._filled.set()
