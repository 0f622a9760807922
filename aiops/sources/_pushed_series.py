"""Raw series that are pushed: label sets numbered, those that nobody watches remembered so that they cost nothing."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aiops.model import I32, I64, Bools, Labels
from aiops.sources._fingerprint import MOST_BYTES, U64
from aiops.sources._numbering import numbers_of
from aiops.sources._pushed_samples import Samples, SharedPairs, WriteLimits, key_of, labels_of
from aiops.sources._pushed_watch import Use, Watchlist
from aiops.sources._series_index import UNKNOWN, SeriesIndex
from aiops.wire import decode, encode

UNWATCHED, SERIES_LIMIT, LABEL_LIMIT = -1, -2, -3
"""Numbers of label sets that are not held."""

_KEYS_PER_SERIES = 2
"""Ways to write one label set that are remembered on average; a sender has one, hostile ones are merely slower."""

_UNCOUNTED = ("__name__", "le")
"""Labels whose values are few by nature: one per metric, and the bounds of its buckets."""

_PARSE_ANYTHING = WriteLimits(labels_per_series=1 << 30, label_name_bytes=1 << 30, label_value_bytes=1 << 30)


@dataclass(frozen=True, slots=True)
class SeriesLimits:
    """How many series are held; beyond it new ones are counted drops.

    `max_label_values` is per metric and label, buckets' `le` excepted. `max_unwatched` label sets that nobody watches
    are remembered (about 50 bytes each); more than that are read again each time they come. `max_label_bytes` bounds
    the names and values of the held: a few long ones may cost as much as many short ones (chosen: 200,000 sets of 640
    bytes, twice what Kubernetes' labels take).
    """

    max_raw_series: int = 200_000
    max_label_values: int = 20_000
    max_unwatched: int = 200_000
    max_label_bytes: int = 128 * 2**20


class RawSeries:
    """Numbers for watched label sets; a number is used again after its series was evicted.

    `index` holds the fingerprint of every remembered label set with its number; it is a `Numbering`. `generation`
    changes when numbers given out so far may no longer hold. `last_seen_ms` and `ended_ms` (stale marker) are per
    number, 0 = never.
    """

    def __init__(self, watch: Watchlist, limits: SeriesLimits) -> None:
        self.index = SeriesIndex()
        self.generation = 0
        self.last_seen_ms: I64 = np.zeros(0, np.int64)
        self.ended_ms: I64 = np.zeros(0, np.int64)
        self._watch, self._limits = watch, limits
        self._numbers: dict[Labels, int] = {}
        self._labels: list[Labels | bytes] = []  # bytes = as it was restored: read when it is asked for
        self._pairs = SharedPairs()
        self._edges: set[int] = set()
        self._free: list[int] = []
        self._fresh: list[tuple[int, tuple[Use, ...]]] = []
        self._values: dict[str, dict[str, dict[str, int]]] = {}  # metric, label, value -> series
        self._remembered = Counter[bool]()  # held or not -> how many are in the index
        self._held_bytes = 0
        self._restored = False

    def __len__(self) -> int:
        """How many are held now."""
        return len(self._labels) - len(self._free)

    @property
    def width(self) -> int:
        """Numbers given out so far: arrays by number must have this length."""
        return len(self._labels)

    def resolve(self, keys: list[bytes]) -> I32:
        """The number of each label set, given out now if it is new; below 0 for one that is not held."""
        return numbers_of(keys, self, _PARSE_ANYTHING)

    def numbers_of(self, samples: Samples) -> I32:
        """The number of each sample's label set, as `resolve` gives it."""
        known = samples.known
        if known is None:
            return self.resolve(samples.keys)[samples.series]
        if known.generation != self.generation:
            known.generation = self.generation
            known.numbers[:] = UNKNOWN
        numbers: I32 = known.numbers[samples.series]
        new = np.unique(samples.series[numbers == UNKNOWN])
        if len(new):
            known.numbers[new] = self.resolve([samples.keys[i] for i in new.tolist()])
            numbers = known.numbers[samples.series]
        return numbers

    def number(self, labels: Labels) -> int:
        """The number of a label set, given out now if it is new; below 0 for one that is not held."""
        if (known := self._known(labels)) is not None:
            return known
        named = dict(labels)
        uses, is_edge = self._watch.uses(named), self._watch.is_edge(named)
        if not uses and not is_edge:
            return UNWATCHED
        is_full = len(self) >= self._limits.max_raw_series
        size_bytes = _size_bytes(labels)
        if is_full or self._held_bytes + size_bytes > self._limits.max_label_bytes:
            return SERIES_LIMIT
        if not self._count_values(labels, named["__name__"]):
            return LABEL_LIMIT
        number = self._take_number(self._pairs.labels(labels))
        self._held_bytes += size_bytes
        self._fresh.append((number, uses))
        if is_edge:
            self._edges.add(number)
        return number

    def remember(self, prints: U64, sizes: I32, numbers: I32) -> None:
        """Put fingerprints into the index, as many as have room."""
        for is_held in (True, False):
            some = np.flatnonzero((numbers >= 0) == is_held)[: self._room(is_held=is_held)]
            if len(some):
                self._remembered[is_held] += self.index.add(prints[some], sizes[some], numbers[some])

    def fresh(self) -> list[tuple[int, tuple[Use, ...]]]:
        """Numbers given out since the last call, each with what it is used for."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def alive(self, since_ms: int) -> Bools:
        """Tell by number which series were seen after `since_ms` and have not ended."""
        n = self.width
        seen, ended = self.last_seen_ms[:n], self.ended_ms[:n]
        return (seen > since_ms) & (seen > ended)

    def edges(self, since_ms: int) -> list[tuple[dict[str, str], int]]:
        """Labels and last sample of live series that show a call."""
        alive = self.alive(since_ms)
        return [(dict(self._labels_of(i)), int(self.last_seen_ms[i])) for i in sorted(self._edges) if alive[i]]

    def evict(self, silent_before_ms: int, ended_before_ms: int) -> I32:
        """Let go of series not seen since the first time, or ended before the second; their numbers."""
        n = self.width
        held = np.ones(n, np.bool_)
        held[self._free] = False
        latest = np.maximum(self.last_seen_ms[:n], self.ended_ms[:n])
        over = self.ended_ms[:n] >= self.last_seen_ms[:n]
        gone = held & ((latest < silent_before_ms) | (over & (latest < ended_before_ms)))
        numbers: I32 = np.flatnonzero(gone).astype(np.int32)
        for number in numbers.tolist():
            self._release(number)
        is_full = not self._room(is_held=False)
        if len(numbers) or is_full:
            self._pairs.forget()
            self.generation += 1
            self._forget(gone, least=0 if is_full else UNWATCHED)
        return numbers

    # -- over restarts

    def snapshot(self, keys: Sequence[bytes]) -> dict[str, NDArray[np.generic]]:
        """All of it but the label sets that are kept elsewhere.

        Parameters
        ----------
        keys : by number, as `key_of` writes them; empty where it is to be kept here
        """
        n = self.width
        free = set(self._free)
        missing = [i for i, key in enumerate(keys) if not key and i not in free]
        labels = [self._labels[i] for i in missing]
        kept_here = [
            (i, one if isinstance(one, bytes) else key_of(one)) for i, one in zip(missing, labels, strict=True)
        ]
        return {
            "seen_ms": self.last_seen_ms[:n],
            "ended_ms": self.ended_ms[:n],
            "free": np.array(self._free, np.int32),
            "edges": np.array(sorted(self._edges), np.int32),
            "fresh": np.array([number for number, _ in self._fresh], np.int32),
            "held_bytes": np.array([self._held_bytes]),
            "keys": np.frombuffer(encode(kept_here), np.uint8),
            "values": np.frombuffer(encode(self._values), np.uint8),
        }

    def restore(self, state: Mapping[str, NDArray[np.generic]], keys: list[bytes]) -> None:
        """Take up a snapshot, with the `keys` it was given. StoreError, LookupError when it is damaged.

        Label sets are not read: a million of them would be half a minute.
        """
        self._labels = list(keys)
        for number, key in decode(state["keys"].tobytes(), list[tuple[int, bytes]]):
            self._labels[number] = keys[number] = key
        self._free = state["free"].tolist()
        for number in self._free:
            self._labels[number] = keys[number] = b""
        self.last_seen_ms, self.ended_ms = state["seen_ms"].astype(np.int64), state["ended_ms"].astype(np.int64)
        self._edges, self._held_bytes = set(state["edges"].tolist()), int(state["held_bytes"][0])
        self._values = decode(state["values"].tobytes(), dict[str, dict[str, dict[str, int]]])
        self._index_restored(keys)
        self._fresh = [(i, self._watch.uses(dict(self._labels_of(i)))) for i in state["fresh"].tolist()]
        self._restored = True

    def _index_restored(self, keys: list[bytes]) -> None:
        sizes = np.fromiter(map(len, keys), np.int32, len(keys))
        short = np.flatnonzero((sizes > 0) & (sizes <= MOST_BYTES))
        prints = self.index.find_all(keys)[1]
        self.remember(prints[short], sizes[short], short.astype(np.int32))
        for number in np.flatnonzero(sizes > MOST_BYTES).tolist():
            labels = labels_of(keys[number], _PARSE_ANYTHING)
            self._labels[number] = labels
            self._numbers[labels] = number

    # -- inside

    def _known(self, labels: Labels) -> int | None:
        if (number := self._numbers.get(labels)) is not None or not self._restored:
            return number
        # What was restored is known by its key only, and a sender may write the same label set with another one.
        number = int(self.index.find_all([key_of(labels)])[0][0])
        return number if number >= 0 else None

    def _labels_of(self, number: int) -> Labels:
        labels = self._labels[number]
        return labels_of(labels, _PARSE_ANYTHING) if isinstance(labels, bytes) else labels

    def _forget(self, gone: Bools, least: int) -> None:
        """Forget label sets of series that are gone and of those numbered below `least`.

        There may be room now for series that were over a limit, and what nobody watches may have gone too.
        """
        numbers = self.index.numbers()
        forgotten = numbers < least
        held = numbers >= 0
        forgotten[held] = gone[numbers[held]]
        self.index.remove(forgotten)
        kept = self.index.numbers_in_use()
        self._remembered = Counter({True: int((kept >= 0).sum()), False: int((kept < 0).sum())})

    def _room(self, *, is_held: bool) -> int:
        """How many more fingerprints may be remembered."""
        limits = self._limits
        most = limits.max_raw_series * _KEYS_PER_SERIES if is_held else limits.max_unwatched
        return max(0, most - self._remembered[is_held])

    def _take_number(self, labels: Labels) -> int:
        if self._free:
            number = self._free.pop()
            self._labels[number] = labels
        else:
            number = len(self._labels)
            self._labels.append(labels)
            if number >= len(self.last_seen_ms):
                more = np.zeros(max(64, number), np.int64)
                self.last_seen_ms = np.concatenate([self.last_seen_ms, more])
                self.ended_ms = np.concatenate([self.ended_ms, more])
        self._numbers[labels] = number
        return number

    def _release(self, number: int) -> None:
        labels = self._labels_of(number)
        metric = dict(labels)["__name__"]
        names = self._values.get(metric, {})  # none if it has no other label
        for name, value in labels:
            if name in _UNCOUNTED:
                continue
            counts = names[name]
            counts[value] -= 1
            if not counts[value]:
                del counts[value]
            if not counts:
                del names[name]
        if not names:
            self._values.pop(metric, None)
        self._numbers.pop(labels, None)
        self._held_bytes -= _size_bytes(labels)
        self._labels[number] = ()
        self._edges.discard(number)
        self.last_seen_ms[number] = self.ended_ms[number] = 0
        self._free.append(number)

    def _count_values(self, labels: Labels, metric: str) -> bool:
        """Count the values of a new label set, unless that is one too many of a label."""
        names, most = self._values.get(metric, {}), self._limits.max_label_values
        for name, value in labels:
            counts = names.get(name)
            if counts is not None and len(counts) >= most and value not in counts:
                return False
        for name, value in labels:
            if name not in _UNCOUNTED:
                counts = names.setdefault(name, {})
                counts[value] = counts.get(value, 0) + 1
        if names:
            self._values[metric] = names
        return True


def _size_bytes(labels: Labels) -> int:
    return sum(map(len, itertools.chain.from_iterable(labels)))
