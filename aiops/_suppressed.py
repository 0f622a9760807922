"""What nobody is told of by itself, collected until it is saved."""

from __future__ import annotations

from dataclasses import replace

from aiops.model import Anomaly, Event, Suppressed
from aiops.policy import subject_of

MOST = 100_000  # kept until they are taken; chosen, ten times the largest storm asked for
LISTED = "listed in its incident"
REPEATED = "repeated while it was known to fire"
CAME_BACK = "came back: counted in its incident"
LATE = "told late: it was over already"


class SuppressedItems:
    """Collects items by reason; the same again is counted.

    Attributes
    ----------
    dropped : beyond what is kept
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._kept: dict[tuple[str, str], Suppressed] = {}

    def note(self, item: Anomaly | Event, reason: str, now_ms: int, incident_id: str = "") -> None:
        """Note that nobody is told of an item by itself."""
        key = (item.id, reason)
        if (known := self._kept.get(key)) is not None:
            again = {"last_ms": now_ms, "count": known.count + 1, "incident_id": incident_id or known.incident_id}
            self._kept[key] = replace(known, **again)  # type: ignore[arg-type]  # three fields of three types
        elif len(self._kept) >= MOST:
            self.dropped += 1
        else:
            service = item.series.service if isinstance(item, Anomaly) else item.service
            self._kept[key] = Suppressed(item.id, subject_of(item), service, reason, now_ms, now_ms, incident_id)

    def take(self) -> list[Suppressed]:
        """All that was noted since the last call."""
        kept, self._kept = list(self._kept.values()), {}
        return kept
