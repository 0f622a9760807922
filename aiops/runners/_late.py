"""What is seen too late to be told: it is recorded, and nobody is woken by it."""

from __future__ import annotations

from aiops.model import Event
from aiops.runners._clock import EventClock

SPEAK_OF_NOW = frozenset({"alertmanager", "grafana"})  # what they send fires as they send it, whenever it began


class Lateness:
    """Why nobody is to be told of something; "" = people are told.

    Parameters
    ----------
    max_age_s : what is seen later than this is not told
    """

    def __init__(self, clock: EventClock, max_age_s: float) -> None:
        self._clock, self._max_age_s = clock, max_age_s

    def of_time(self, time_ms: int) -> str:
        """Of what happened at that time."""
        age_s = (self._clock.wall_ms() - time_ms) / 1000
        return f"was seen {age_s / 3600:.1f} h late" if age_s > self._max_age_s else ""

    def of_received(self, event: Event) -> str:
        """Of an event that was received just now."""
        return "" if event.source in SPEAK_OF_NOW else self.of_time(max(event.time_ms, self._clock.now_ms()))
