"""Error ratios of which the number of requests is known: chance is judged as what it is.

The bank knows a ratio as a line of numbers, with the heavy tails that numbers have. Of a service with six requests a
minute one failure is a jump to 8 %, and half an hour of 30 % lies in the tail of such jumps. Counts tell the two apart,
see `detectors/share_judge.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aiops.model import F64, I64, Bools, Labels
from aiops.series import SeriesTable
from detectors._base import State
from detectors.rarity import rarity_threshold
from detectors.share_judge import FIELDS, ShareRows, judge_shares

WINDOW_S, WINDOW_STEPS = 60.0, 4.0  # a ratio counts the requests of so long, unless its source is set otherwise
REQUESTS = "req/s"  # the unit of signals that count requests, as the packs call it


class Shares:
    """The error ratios of a table, each with the series that counts its requests.

    Parameters
    ----------
    step_s : distance of rows in seconds
    """

    def __init__(self, table: SeriesTable, step_s: float) -> None:
        self._table = table
        self._rows = ShareRows(step_s, max(WINDOW_S, WINDOW_STEPS * step_s), rarity_threshold(1 / 30))
        self._known = 0
        self._requests: dict[tuple[str, str, Labels], int] = {}
        self._ratios: dict[tuple[str, str, Labels], int] = {}
        self._places: I64 = np.zeros((0, 2), np.int64)
        self._least: F64 = np.zeros(0)
        self._memory: F64 = np.zeros((0, FIELDS))

    @property
    def ratios(self) -> I64:
        """Columns (k,) that are judged."""
        return self._places[:, 0]

    def grow(self, n: int) -> None:
        """Take in the series up to number n."""
        self.adopt(range(self._known, n))
        self._known = n

    def adopt(self, columns: Sequence[int]) -> None:
        """Take in the series that have these columns now."""
        for column in columns:
            key, signal = self._table.key(column), self._table.signal(column)
            place = (key.service, key.peer, key.labels)
            if signal.kind == "traffic" and signal.unit == REQUESTS:
                self._requests[place] = column
            elif signal.kind == "errors" and signal.unit == "ratio":
                self._ratios[place] = column
        self._pair()

    def forget(self, columns: Sequence[int]) -> None:
        """Let go of series; nothing of them is left."""
        gone = set(columns)
        self._requests = {place: column for place, column in self._requests.items() if column not in gone}
        self._ratios = {place: column for place, column in self._ratios.items() if column not in gone}
        kept = ~np.isin(self._places[:, 0], list(gone))
        self._places, self._memory = self._places[kept], self._memory[kept]
        self._pair()

    def _pair(self) -> None:
        """Find the requests of each ratio; one whose requests have not been seen since a restart is remembered."""
        counted = {column: self._requests[place] for place, column in self._ratios.items() if place in self._requests}
        old = dict.fromkeys(self._places[:, 0].tolist())
        columns = [*old, *(column for column in counted if column not in old)]
        self._places = np.array([(c, counted.get(c, -1)) for c in columns], np.int64).reshape(-1, 2)
        self._least = np.array([self._table.signal(c).min_absolute for c in columns])
        self._memory = np.concatenate([self._memory, np.zeros((len(columns) - len(old), FIELDS))])

    def judge(self, rarity: F64, values: F64, upper: F64, frozen: Bools) -> None:
        """Correct rarity and upper edge of error ratios in place, then learn the rows of those that are not frozen.

        The edge is where the ratio's own chance would open a page in 30 days, unless the bank's is lower: numbers have
        tails that reach beyond 100 %.

        Parameters
        ----------
        rarity, values, upper : (t, n) what is not known stays as it is
        frozen : (n,)
        """
        if len(self._places):
            learns = ~frozen[self._places[:, 0]]
            judge_shares(self._memory, self._places, self._least, learns, values, rarity, upper, self._rows)

    def to_arrays(self, columns: I64) -> State:
        """What is remembered of each ratio among these columns, behind its place among them."""
        places = {column: place for place, column in enumerate(columns.tolist())}
        there = np.isin(self._places[:, 0], columns)
        numbers = np.array([places[column] for column in self._places[there, 0].tolist()], np.float64)
        return {"ratios": np.column_stack([numbers, self._memory[there]])}

    def from_arrays(self, state: State) -> None:
        """Take up what `to_arrays` gave; without it all begins anew. Raises ValueError when the shape differs."""
        ratios = state.get("ratios", np.zeros((0, 1 + FIELDS))).astype(np.float64)
        if ratios.ndim != 2 or ratios.shape[1] != 1 + FIELDS:
            raise ValueError(f"snapshot ratios must be (k, {1 + FIELDS}), got {ratios.shape}")
        self._memory = ratios[:, 1:].copy()
        requests = np.full(len(ratios), -1, np.int64)  # found again when the table's series are taken in
        self._places = np.column_stack([ratios[:, 0].astype(np.int64), requests])
        self._known, self._least = 0, np.zeros(len(ratios))


def compile_kernel() -> None:
    """Compile the kernel behind `Shares`."""
    rows = ShareRows(60.0, 240.0, 1.5)
    one, learns = np.full((1, 2), 0.5), np.ones(1, np.bool_)
    judge_shares(np.zeros((1, FIELDS)), np.array([[0, 1]]), np.zeros(1), learns, one, one.copy(), one.copy(), rows)
