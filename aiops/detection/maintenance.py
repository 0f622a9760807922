"""Announced maintenance: what it shows is neither learnt nor told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Window:
    """A time in which services are worked on.

    Parameters
    ----------
    start_ms, end_ms : the end is not part of it
    services : their names; empty = all
    """

    start_ms: int
    end_ms: int
    reason: str
    services: tuple[str, ...] = ()

    def holds(self, time_ms: int) -> bool:
        """Tell whether a time lies within it."""
        return self.start_ms <= time_ms < self.end_ms

    def covers(self, service: str) -> bool:
        """Tell whether a service is worked on."""
        return not self.services or service in self.services

    def said(self) -> str:
        """Why something is muted or ended.

        >>> Window(0, 60_000, "new disks", ("db",)).said()
        'maintenance: new disks'
        """
        return f"maintenance: {self.reason}" if self.reason else "maintenance"


def why(windows: Iterable[Window], service: str, time_ms: int) -> str:
    """Why nobody is to be told of a service at that time; "" = no maintenance."""
    return next((w.said() for w in windows if w.holds(time_ms) and w.covers(service)), "")


def borders(windows: Sequence[Window]) -> list[int]:
    """Every time at which some maintenance begins or ends."""
    return sorted({time_ms for w in windows for time_ms in (w.start_ms, w.end_ms)})
