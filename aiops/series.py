"""Watched series and their numbers.

Detectors, histories and blocks speak of columns by number. This table is the one place that knows which series a number
means and what its signal says about it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from aiops.model import SeriesKey, Signal


class SeriesTable:
    """Numbers series in the order in which they are first seen; a number is never given to another series.

    Parameters
    ----------
    limit : how many; more are refused
    limited_by : the setting that says so, for messages

    >>> table = SeriesTable(limit=1)
    >>> latency = Signal("latency_p95", "latency", "s")
    >>> table.add(SeriesKey("latency_p95", "cart"), latency), table.add(SeriesKey("latency_p95", "db"), latency)
    (0, -1)
    >>> table.refused
    1
    """

    def __init__(self, limit: int = 100_000, limited_by: str = "limits.max_series") -> None:
        self.limit, self.limited_by = limit, limited_by
        self.refused = 0
        self._ids: dict[SeriesKey, int] = {}
        self._keys: list[SeriesKey] = []
        self._signals: list[Signal] = []

    def add(self, key: SeriesKey, signal: Signal) -> int:
        """The number of a series, given out now if it is new; -1 and a count in `refused` when the table is full."""
        number = self._ids.get(key)
        if number is not None:
            return number
        if len(self._keys) >= self.limit:
            self.refused += 1
            return -1
        self._ids[key] = number = len(self._keys)
        self._keys.append(key)
        self._signals.append(signal)
        return number

    def find(self, key: SeriesKey) -> int | None:
        """The number of a known series."""
        return self._ids.get(key)

    def key(self, number: int) -> SeriesKey:
        """The series of a number."""
        return self._keys[number]

    def signal(self, number: int) -> Signal:
        """What the series of a number means."""
        return self._signals[number]

    def items(self) -> Iterable[tuple[SeriesKey, Signal]]:
        """All series with their signals, in the order of their numbers.

        A source may add series while another thread reads: a reader takes `len` first, then no more than that many.
        """
        return zip(self._keys, self._signals, strict=False)

    def __len__(self) -> int:
        return len(self._signals)


def anomaly_id(key: SeriesKey, started_ms: int) -> str:
    """The name of an anomaly: the same in every replay of the same data."""
    return hashlib.blake2b(f"{key}@{started_ms}".encode(), digest_size=8).hexdigest()


def event_id(source: str, *parts: object) -> str:
    """A name for an event whose sender gave none."""
    return hashlib.blake2b("\x1f".join([source, *map(str, parts)]).encode(), digest_size=8).hexdigest()


SERVICE_LABELS = (
    "service",
    "service_name",
    "app_kubernetes_io_name",
    "app",
    "destination_workload",
    "deployment",
    "workload",
    "job",
)
"""Labels that may name the service of an alert or event, most telling first."""


def service_of(labels: dict[str, str], names: tuple[str, ...] = SERVICE_LABELS) -> str:
    """The first non-empty label of `names`, without a namespace in front; "" if there is none.

    >>> service_of({"job": "shop/cart", "instance": "10.0.0.1:80"})
    'cart'
    """
    for name in names:
        if value := labels.get(name, ""):
            return value.rsplit("/", 1)[-1]
    return ""


__all__ = ["SERVICE_LABELS", "SeriesTable", "anomaly_id", "event_id", "service_of"]
