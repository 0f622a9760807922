"""Watched series and their numbers.

Detectors, histories and blocks speak of columns by number. This table is the one place that knows which series a number
means and what its signal says about it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from aiops.model import SeriesKey, Signal


class SeriesTable:
    """Numbers series in the order in which they are first seen.

    A number goes to another series in three moves, so that it never means two: whoever detects *asks* for the numbers
    of series that have stopped, the source *unnames* them with the next block it builds, and whoever detects *frees*
    them when that block arrives and their memory is cold. The source works in another thread than detection does.

    Parameters
    ----------
    limit : how many; more are refused
    limited_by : the setting that says so, for messages

    Attributes
    ----------
    reuses : how often a number was given to another series

    >>> table = SeriesTable(limit=1)
    >>> latency = Signal("latency_p95", "latency", "s")
    >>> table.add(SeriesKey("latency_p95", "cart"), latency), table.add(SeriesKey("latency_p95", "db"), latency)
    (0, -1)
    >>> table.refused
    1
    >>> table.ask([0])
    >>> table.unname(), len(table), table.width
    ((0,), 0, 1)
    >>> table.free([0])
    >>> table.add(SeriesKey("latency_p95", "db"), latency)
    0
    """

    def __init__(self, limit: int = 100_000, limited_by: str = "limits.max_series") -> None:
        self.limit, self.limited_by = limit, limited_by
        self.refused = self.reuses = 0
        self._ids: dict[SeriesKey, int] = {}
        self._keys: list[SeriesKey] = []
        self._signals: list[Signal] = []
        self._asked: frozenset[int] = frozenset()
        self._unnamed: set[int] = set()
        self._free: list[int] = []
        self._nobodys: set[int] = set()  # unnamed or free

    def add(self, key: SeriesKey, signal: Signal) -> int:
        """The number of a series, given out now if it is new; -1 and a count in `refused` when the table is full."""
        number = self._ids.get(key)
        if number is not None:
            return number
        if len(self._ids) >= self.limit:
            self.refused += 1
            return -1
        if self._free:
            number = self._free.pop()
            self._keys[number], self._signals[number] = key, signal
            self._ids[key] = number
            self._nobodys.discard(number)
            self.reuses += 1
            return number
        self._ids[key] = number = len(self._keys)
        self._keys.append(key)
        self._signals.append(signal)
        return number

    def find(self, key: SeriesKey) -> int | None:
        """The number of a known series."""
        return self._ids.get(key)

    def key(self, number: int) -> SeriesKey:
        """The series of a number, or the one it had last."""
        return self._keys[number]

    def signal(self, number: int) -> Signal:
        """What the series of a number means."""
        return self._signals[number]

    def named(self, number: int) -> bool:
        """Whether a number has a series now."""
        return number not in self._nobodys

    def numbers(self) -> list[int]:
        """Numbers that have a series, in their order."""
        return [number for number in range(len(self._signals)) if number not in self._nobodys]

    def numbered(self) -> list[tuple[int, SeriesKey, Signal]]:
        """All series with their numbers and signals, in the order of the numbers.

        A source may add series while another thread reads: a reader takes `width` first, then no more than that many.
        """
        return [(number, self._keys[number], self._signals[number]) for number in self.numbers()]

    def items(self) -> Iterable[tuple[SeriesKey, Signal]]:
        """All series with their signals, in the order of their numbers."""
        return ((key, signal) for _, key, signal in self.numbered())

    @property
    def width(self) -> int:
        """Numbers given out so far: what is by number has this length."""
        return len(self._signals)

    @property
    def unnamed(self) -> tuple[int, ...]:
        """Numbers that no block built from now on uses, and that are not free yet."""
        return tuple(sorted(self._unnamed.copy()))

    def ask(self, numbers: Iterable[int]) -> None:
        """Ask the source to let go of the series of these numbers; one that cannot does nothing."""
        self._asked |= frozenset(numbers)

    def unname(self) -> tuple[int, ...]:
        """Let go of the series that were asked for, before a block is built; their numbers."""
        asked, self._asked = self._asked, frozenset[int]()
        gone = tuple(sorted(number for number in asked if self.named(number)))
        for number in gone:
            # A series that is back at once has another number, whatever happens to this one.
            del self._ids[self._keys[number]]
        self._unnamed.update(gone)
        self._nobodys.update(gone)
        return gone

    def is_unnamed(self, number: int) -> bool:
        """Whether a number is among the `unnamed`."""
        return number in self._unnamed

    def free(self, numbers: Iterable[int]) -> None:
        """Let other series have these numbers, which must be unnamed."""
        gone = list(numbers)
        self._unnamed.difference_update(gone)
        self._free += gone

    def __len__(self) -> int:
        return len(self._ids)


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
