"""What the HTTP side is answered from the store, whatever stands behind it."""

from __future__ import annotations

import time

from aiops.audit import PREFIX, Audited, latest
from aiops.model import Incident, Status, Suppressed
from aiops.stores import Outgoing, Store
from aiops.telemetry import Health, Telemetry

MOST_PUT_BACK = 10_000  # dead letters put back at once; chosen


class StoreAnswers:
    """The part of a `Backend` that needs only a store, health and metrics; whoever takes it over has these three."""

    __slots__ = ()
    store: Store
    telemetry: Telemetry
    health: Health

    def incidents(self, status: Status | None, service: str, since_ms: int, limit: int) -> list[Incident]:
        """Saved incidents, latest start first."""
        return self.store.incidents(status=status, service=service or None, since_ms=since_ms or None, limit=limit)

    def incident(self, incident_id: str) -> Incident | None:
        """One saved incident."""
        return self.store.incident(incident_id)

    def ready(self) -> list[str]:
        """What keeps the service from being ready."""
        return self.health.reasons()

    def suppressed(self, since_ms: int, incident_id: str, limit: int) -> list[Suppressed]:
        """What nobody was told of by itself, and why, latest first."""
        return self.store.suppressed(since_ms=since_ms, incident_id=incident_id, limit=limit)

    def outgoing(self, incident_id: str) -> list[Outgoing]:
        """What was and is to be sent of an incident, in order."""
        return self.store.outgoing(incident_id)

    def dead_letters(self, limit: int) -> list[Outgoing]:
        """Notifications that were given up, latest first."""
        return self.store.dead_letters(limit)

    def put_back(self, keys: list[str]) -> int:
        """Have these dead letters tried again, all if there are none; how many there were."""
        wanted = keys or [row.notification.key for row in self.store.dead_letters(MOST_PUT_BACK)]
        return self.store.put_back(wanted, self.now_ms())

    def audit(self, limit: int) -> list[Audited]:
        """Who did what, latest first."""
        return latest(self.store.shared_receipts(PREFIX, limit))

    def now_ms(self) -> int:
        """The wall clock, unix ms."""
        return int(time.time() * 1000)

    def warnings(self) -> list[str]:
        """What somebody should look at although the service is ready."""
        return self.health.warnings()

    def metrics(self) -> bytes:
        """Own metrics."""
        return self.telemetry.render()
