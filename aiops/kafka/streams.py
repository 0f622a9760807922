"""Series as gateways number them, in the numbers of one partition."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from aiops.model import I32
from aiops.wire import decode, encode

UNSETTLED = -(2**31)
"""Its number here has to be asked for (again)."""
UNWATCHED = -1
MAX_STREAMS = 64
"""Streams that are remembered, the latest: chosen; a gateway begins one at its start, or when most series are gone."""
SILENT_MS = 3_600_000
"""A stream that was not heard of for longer is forgotten: chosen, twelve times as long as a gateway is silent before it
says all names again. Gateways that are restarted would leave the names of all series behind each time."""

Resolve = Callable[[list[bytes]], I32]
"""The numbers of label sets here, below 0 for those that are not held."""


@dataclass(slots=True)
class _Stream:
    """`heard_ms` is the time of its last message."""

    names: list[bytes] = field(default_factory=list)
    numbers: I32 = field(default_factory=lambda: np.zeros(0, np.int32))
    heard_ms: int = 0


class Streams:
    """Remembers the names of all streams of a partition.

    `unknown` counts samples of numbers whose name never came.
    """

    def __init__(self, resolve: Resolve) -> None:
        self.unknown = 0
        self._resolve = resolve
        self._streams: dict[int, _Stream] = {}

    def learn(self, stream: int, first: int, names: tuple[bytes, ...], time_ms: int) -> None:
        """Take up names of a message; those that are known already are left as they are."""
        one = self._streams.setdefault(stream, _Stream())
        one.heard_ms = max(one.heard_ms, time_ms)
        self._forget_silent(time_ms)
        end = first + len(names)
        if end > len(one.names):
            missing = end - len(one.names)
            one.names += [b""] * missing
            one.numbers = np.concatenate([one.numbers, np.full(missing, UNSETTLED, np.int32)])
        for number, name in enumerate(names, first):
            one.names[number] = one.names[number] or name

    def numbers(self, stream: int, numbers: I32) -> I32:
        """The numbers here of a stream's numbers; below 0 for those that are not held, and for those without a name."""
        one = self._streams.get(stream)
        if one is None or not len(one.numbers):
            self.unknown += len(numbers)
            return np.full(len(numbers), -1, np.int32)
        inside = (numbers >= 0) & (numbers < len(one.numbers))
        found = np.where(inside, one.numbers[np.where(inside, numbers, 0)], UNSETTLED)
        if (found == UNSETTLED).any():
            self._settle(one, np.unique(numbers[inside & (found == UNSETTLED)]))
            found = np.where(inside, one.numbers[np.where(inside, numbers, 0)], UNSETTLED)
            self.unknown += int(np.count_nonzero(found == UNSETTLED))
        return found.astype(np.int32)

    def forget(self, gone: I32) -> None:
        """Some numbers of here are given to other series from now on, so there may be room for those that had none."""
        for one in self._streams.values():
            one.numbers[np.isin(one.numbers, gone) | (one.numbers < UNWATCHED)] = UNSETTLED

    def keys(self, width: int) -> list[bytes]:
        """Label sets by their numbers here, of which there are `width`; empty where no stream has it."""
        keys = [b""] * width
        for one in self._streams.values():
            for number, name in zip(one.numbers.tolist(), one.names, strict=True):
                if number >= 0:
                    keys[number] = name
        return keys

    def snapshot(self) -> dict[str, NDArray[np.generic]]:
        """All names and numbers, by stream."""
        names = [(stream, one.names) for stream, one in self._streams.items()]
        numbers = [one.numbers for one in self._streams.values()]
        return {
            "names": np.frombuffer(encode(names), np.uint8),
            "heard_ms": np.array([one.heard_ms for one in self._streams.values()], np.int64),
            "numbers": np.concatenate([*numbers, np.zeros(0, np.int32)]),
        }

    def restore(self, state: Mapping[str, NDArray[np.generic]], *, settled: bool) -> None:
        """Take up a snapshot; what is not `settled` is asked for again. StoreError when it is damaged."""
        begin, named = 0, decode(state["names"].tobytes(), list[tuple[int, list[bytes]]])
        for (stream, names), heard_ms in zip(named, state["heard_ms"].tolist(), strict=True):
            numbers = state["numbers"][begin : begin + len(names)].astype(np.int32)
            begin += len(names)
            # What was refused may have room now.
            numbers[numbers < 0 if settled else slice(None)] = UNSETTLED
            self._streams[stream] = _Stream(names, numbers, heard_ms)

    def _forget_silent(self, time_ms: int) -> None:
        silent = [n for n, one in self._streams.items() if one.heard_ms < time_ms - SILENT_MS]
        for stream in [*silent, *[n for n in self._streams if n not in silent][:-MAX_STREAMS]]:
            del self._streams[stream]

    def _settle(self, one: _Stream, numbers: NDArray[np.integer]) -> None:
        named = [n for n in numbers.tolist() if one.names[n]]
        if named:
            one.numbers[named] = self._resolve([one.names[n] for n in named])
