"""A shard's series, detectors and recent rows as named arrays, and back."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from aiops.model import Signal
from aiops.pipeline import Shard
from aiops.runners._key_bytes import Arrays, key_arrays, keys_from
from aiops.wire import decode, encode, part_of, prefixed


def shard_arrays(shard: Shard) -> Arrays:
    """All that a restart needs of a shard, but for the deviations under way.

    Series are numbered anew in the order of `Detection.numbers`; numbers without a series are left out.
    """
    numbers, table = shard.detection.numbers(), shard.source.table
    state, history = shard.detection.snapshot(numbers), shard.history.snapshot()
    # The table may have grown since the last row, the ring keeps some room.
    width = len(state["presence.seen_ms"])
    fed = numbers[:width]
    history["values"] = history["values"][:, fed[fed < history["values"].shape[1]]]
    signals = {id(signal): signal for signal in map(table.signal, numbers.tolist())}
    places = {id_: place for place, id_ in enumerate(signals)}
    keys = key_arrays([table.key(number) for number in numbers.tolist()])
    arrays = prefixed({"detection": state, "history": history, "keys": keys})
    arrays["signals"] = np.frombuffer(encode(list(signals.values())), np.uint8)
    arrays["signal"] = np.array([places[id(table.signal(number))] for number in numbers.tolist()], np.int32)
    return arrays | {"step_s": np.array([shard.source.step_s])}


def restore_shard(shard: Shard, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Bring a shard that has seen nothing to where `shard_arrays` found one.

    Raises
    ------
    ValueError, LookupError, TypeError, StoreError : another version wrote it, or other settings are in force now
    """
    if float(arrays["step_s"][0]) != shard.source.step_s:
        raise ValueError(f"the step was {arrays['step_s'][0]} s and is {shard.source.step_s} s now")
    if len(shard.source.table):
        raise ValueError("the source numbered its series before its memory was there")
    keys, signals = keys_from(part_of(arrays, "keys")), decode(arrays["signals"].tobytes(), list[Signal])
    for key, place in zip(keys, arrays["signal"].tolist(), strict=True):
        if shard.source.table.add(key, signals[place]) < 0:
            raise ValueError(f"it has more series than the limit of {shard.source.table.limit} allows now")
    shard.detection.restore(part_of(arrays, "detection"))
    shard.history.restore(part_of(arrays, "history"))
