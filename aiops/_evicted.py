"""What a snapshot of detection is without the series that have stopped: as if they had never been there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aiops.model import Bools

State = dict[str, NDArray[np.generic]]

WHOLE = frozenset({"version", "last_ms", "clock"})
"""Arrays of a detector that are not per series."""

BEHIND_COLUMNS = frozenset({"told.starts", "shares.ratios"})
"""Arrays of a row per series of some, which begins with its column."""


def without(state: State, keep: Bools) -> State:
    """The columns in `keep`, (n,) of the n that `Detection.snapshot` gave, numbered anew in the same order."""
    is_light = state["bank.is_light"].astype(np.bool_)
    return {name: _kept(name, array, keep, is_light) for name, array in state.items()}


def _kept(name: str, array: NDArray[np.generic], keep: Bools, is_light: Bools) -> NDArray[np.generic]:
    part, _, rest = name.partition(".")
    field = rest.rpartition(".")[2]
    if name in BEHIND_COLUMNS:
        columns = array[:, 0].astype(np.int64)
        mine = array[keep[columns]].copy()
        mine[:, 0] = (np.cumsum(keep) - 1)[columns[keep[columns]]]
        return mine
    if field in WHOLE or part not in ("bank", "absence", "season", "presence"):
        return array
    if rest == "light.season":
        return array[:, keep[is_light]]
    if part == "bank" and rest != "is_light":
        return array[keep[is_light if rest.startswith("light.") else ~is_light]]
    return array[keep]
