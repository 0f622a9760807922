"""Keys of many series as arrays, and back: a string is written once however many keys have it, and read once.

A million keys read one by one are five seconds and a gigabyte of strings of which most are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from aiops.model import SeriesKey
from aiops.wire import decode, encode

Arrays = dict[str, NDArray[np.generic]]
T = TypeVar("T")


def key_arrays(keys: Sequence[SeriesKey]) -> Arrays:
    """The keys, in their order.

    >>> keys = [SeriesKey("p95", "cart", "db", (("pod", "a"),)), SeriesKey("p95", "cart")]
    >>> keys_from(key_arrays(keys)) == keys
    True
    """
    names, pairs = _Places[str](), _Places[tuple[str, str]]()
    fixed = [(names[key.signal], names[key.service], names[key.peer]) for key in keys]
    labels = [pairs[pair] for key in keys for pair in key.labels]
    texts = (list(names), list(pairs))
    return {
        "texts": np.frombuffer(encode(texts), np.uint8),
        "fixed": np.array(fixed, np.int32).reshape(-1, 3),
        "counts": np.fromiter((len(key.labels) for key in keys), np.int32, len(keys)),
        "labels": np.array(labels, np.int32),
    }


def keys_from(arrays: Mapping[str, NDArray[np.generic]]) -> list[SeriesKey]:
    """What `key_arrays` gave. StoreError, LookupError, ValueError when it is damaged."""
    names, pairs = decode(arrays["texts"].tobytes(), tuple[list[str], list[tuple[str, str]]])
    counts, labels = arrays["counts"].astype(np.int64), arrays["labels"]
    if labels.shape != (int(counts.sum()),) or len(counts) != len(arrays["fixed"]):
        raise ValueError(f"{len(counts)} keys with {int(counts.sum())} labels have {labels.shape} of them")
    found: list[tuple[tuple[str, str], ...]] = [()] * len(counts)
    starts = np.cumsum(counts) - counts
    for count in np.unique(counts[counts > 0]).tolist():
        # All keys with as many labels at once, a label after the other.
        alike = np.flatnonzero(counts == count)
        columns = (_looked_up(pairs.__getitem__, labels[starts[alike] + i]) for i in range(count))
        for place, one in zip(alike.tolist(), zip(*columns, strict=True), strict=True):
            found[place] = one
    signals, services, peers = (_looked_up(names.__getitem__, column) for column in arrays["fixed"].T)
    return list(map(SeriesKey, signals, services, peers, found))


def _looked_up(get: Callable[[int], T], places: NDArray[np.generic]) -> Iterable[T]:
    return map(get, places.tolist())


class _Places(dict[T, int]):
    """Numbers what is asked for in the order in which it comes."""

    def __missing__(self, what: T) -> int:
        place = self[what] = len(self)
        return place
