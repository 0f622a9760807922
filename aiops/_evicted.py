"""What a snapshot of detection is without the series that have stopped: as if they had never been there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aiops.model import Bools

State = dict[str, NDArray[np.generic]]

WHOLE = frozenset({"version", "last_ms", "clock"})
"""Arrays of a detector that are not per series."""


def without(state: State, keep: Bools) -> State:
    """The columns in `keep`, (n,) of the n that `Detection.snapshot` gave, numbered anew in the same order."""
    is_light = state["bank.is_light"].astype(np.bool_)
    return {name: _kept(name, array, keep, is_light) for name, array in state.items()}


def _kept(name: str, array: NDArray[np.generic], keep: Bools, is_light: Bools) -> NDArray[np.generic]:
    part, _, rest = name.partition(".")
    field = rest.rpartition(".")[2]
    if name == "told.starts":
        number = np.cumsum(keep) - 1
        mine = array[keep[array[:, 0].astype(np.int64)]].astype(np.int64)
        mine[:, 0] = number[mine[:, 0]]
        return mine
    if field in WHOLE or part not in ("bank", "absence", "season", "presence"):
        return array
    if rest == "light.season":
        return array[:, keep[is_light]]
    if part == "bank" and rest != "is_light":
        return array[keep[is_light if rest.startswith("light.") else ~is_light]]
    return array[keep]
