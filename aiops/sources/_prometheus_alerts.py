"""Alerts of the past, read from the series that Prometheus writes about its own alerts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from aiops.errors import SourceError
from aiops.model import Event, Labels
from aiops.series import event_id, service_of
from aiops.sources._prometheus_answer import Window
from aiops.sources._range import Matrix, RangeReader

QUERY = 'ALERTS{alertstate="firing"}'

SOURCE = "prometheus"
"""Where these events say they come from."""


ALERT_ROWS = 2000
"""Steps read at a time, for bounded memory. Chosen."""


async def past_alerts(ranges: RangeReader, window: Window) -> list[Event]:
    """Alerts that fired in a period, as events at their beginnings and ends, in time order.

    An alert still firing at the end has no end; alerts shorter than a step may be overlooked. Raises `SourceError`.
    """
    firing, events = Firing(), list[Event]()
    for part in window.split(ALERT_ROWS):
        (found,) = await ranges.read([QUERY], part.start_ms, part.end_ms, window.step_ms / 1000)
        if isinstance(found, SourceError):
            raise found
        events += firing.events(found)
    return events


@dataclass(slots=True)
class Firing:
    """Which alerts are firing, from one piece of the past to the next."""

    since_ms: dict[Labels, int] = field(default_factory=dict)

    def events(self, piece: Matrix) -> list[Event]:
        """The alerts that began or ended in a piece, in time order. Pieces follow each other in time."""
        return sorted(self._changes(piece), key=lambda e: (e.time_ms, e.id))

    def _changes(self, piece: Matrix) -> Iterator[Event]:
        for labels in set(self.since_ms) - set(piece.labels):
            yield _event(labels, self.since_ms.pop(labels), int(piece.times[0]))
        for labels, column in zip(piece.labels, np.isfinite(piece.values).T, strict=True):
            if ("severity", "none") in labels:
                # Marks alerts that always fire (Watchdog); they say nothing of a service.
                continue
            fired = np.concatenate(([labels in self.since_ms], column))
            for row in np.flatnonzero(fired[1:] != fired[:-1]).tolist():
                time_ms = int(piece.times[row])
                if column[row]:
                    self.since_ms[labels] = time_ms
                    yield _event(labels, time_ms)
                else:
                    yield _event(labels, self.since_ms.pop(labels), time_ms)


def _event(labels: Labels, started_ms: int, ended_ms: int | None = None) -> Event:
    kept = tuple((name, value) for name, value in labels if name not in ("__name__", "alertstate"))
    return Event(
        id=event_id(SOURCE, kept, started_ms),
        time_ms=started_ms if ended_ms is None else ended_ms,
        service=service_of(dict(kept)),
        kind="alert",
        description=dict(kept).get("alertname", ""),
        source=SOURCE,
        status="firing" if ended_ms is None else "resolved",
        labels=kept,
    )
