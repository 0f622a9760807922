"""Two banks as one: the full bank for series that may page, the light one for what only explains or is too much."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from aiops.model import F64, I64, Bools
from detectors._base import State, Verdicts
from detectors.bank import Bank
from detectors.light import Light

log = logging.getLogger(__name__)


class Banks:
    """Scores n series, each in one of two banks, which is chosen when it is first seen and kept.

    Parameters
    ----------
    may_be_light : tells of a column whether its signal may do with the light bank
    max_full : columns for which there is room in the full bank; what comes after them is light
    """

    def __init__(self, step_s: float, offset_s: float, may_be_light: Callable[[int], bool], max_full: int) -> None:
        self._full, self._light = Bank(0, step_s), Light(0, step_s, offset_s)
        self._may_be_light, self._max_full = may_be_light, max_full
        self._is_light: Bools = np.zeros(0, np.bool_)
        self._place: I64 = np.zeros(0, np.int64)

    def __len__(self) -> int:
        return len(self._is_light)

    @property
    def light(self) -> int:
        """How many columns are in the light bank."""
        return len(self._light)

    def grow(self, n: int) -> None:
        """Make room for n columns."""
        full, refused = len(self._full), 0
        fresh = np.zeros(n - len(self), np.bool_)
        for i in range(len(fresh)):
            chosen = self._may_be_light(len(self) + i)
            fresh[i] = chosen or full >= self._max_full
            full += not fresh[i]
            refused += fresh[i] and not chosen
        if refused:
            log.warning("no room in the full bank, the light one watches series=%d limit=%d", refused, self._max_full)
        self._assign(np.concatenate([self._is_light, fresh]))
        self._full.grow(full)
        self._light.grow(n - full)

    def update(self, times: I64, values: F64, freeze: Bools) -> Verdicts:
        """Score each value with what earlier ones taught, then learn it; see `Bank.update` and `Light.update`."""
        if not len(self._light):
            return self._full.update(times, values, freeze)
        light, out = self._is_light, np.empty((5, *values.shape))
        for bank, mine in ((self._full, ~light), (self._light, light)):
            said = bank.update(times, np.ascontiguousarray(values[:, mine]), freeze[mine])
            for field, part in zip(
                out, (said.rarity, said.surprise, said.expected, said.lower, said.upper), strict=True
            ):
                field[:, mine] = part
        return Verdicts(*out)

    def spoke(self, column: int) -> dict[str, float]:
        """Surprise of each part of the full bank at the column's last row; the light bank has no parts."""
        return {} if self._is_light[column] else self._full.spoke(int(self._place[column]))

    def counts(self, column: int) -> dict[str, float]:
        """How much each part of the full bank counts on the column; the light bank has no parts."""
        return {} if self._is_light[column] else self._full.counts(int(self._place[column]))

    def accept(self, column: int) -> State:
        """Take the recent level of a column as its normal one. Returns what it replaced, for `take_back`.

        The level of the light bank comes along within ten rows by itself.
        """
        return {} if self._is_light[column] else self._full.accept(self._place[[column]])

    def take_back(self, column: int, replaced: State) -> None:
        """Undo an `accept` of the same column."""
        if replaced and not self._is_light[column]:
            self._full.take_back(self._place[[column]], replaced)

    def snapshot(self) -> State:
        """Both memories, and which column is in which."""
        light = {f"light.{name}": array for name, array in self._light.snapshot().items()}
        return self._full.snapshot() | light | {"is_light": self._is_light.copy()}

    def restore(self, state: State) -> None:
        """Take up a snapshot; one without a light bank has all columns in the full one.

        Raises ValueError when its layout is not ours.
        """
        self._full.restore(state)
        if "is_light" in state:
            mark = "light."
            self._light.restore({k.removeprefix(mark): v for k, v in state.items() if k.startswith(mark)})
        self._assign(state.get("is_light", np.zeros(len(self._full), np.bool_)).astype(np.bool_))
        if (~self._is_light).sum() != len(self._full) or self._is_light.sum() != len(self._light):
            raise ValueError(f"snapshot is_light must tell {len(self._full)} columns from {len(self._light)}")

    def _assign(self, is_light: NDArray[np.bool_]) -> None:
        self._is_light = is_light
        self._place = np.where(is_light, np.cumsum(is_light), np.cumsum(~is_light)) - 1
