"""Rows that a detector must stand: what metrics do on bad days, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from detectors._base import F64, I64

ROWS = 400
STEP_MS = 60_000
BEGIN_MS = 1_600_000_000_000


def _noise() -> F64:
    return np.random.default_rng(3).standard_normal(ROWS) + 10.0


def _even() -> I64:
    return BEGIN_MS + np.arange(ROWS, dtype=np.int64) * STEP_MS


def _where(rows: slice, value: float, base: F64 | None = None) -> F64:
    values = _noise() if base is None else base
    values[rows] = value
    return values


def _gap(row: int, gap_ms: int) -> I64:
    times = _even()
    times[row:] += gap_ms
    return times


def _steps(*steps_ms: int) -> I64:
    """The same number of rows at each step, one after the other."""
    return BEGIN_MS + np.cumsum(np.repeat(np.array(steps_ms, np.int64), -(-ROWS // len(steps_ms)))[:ROWS])


_every = np.arange(ROWS)
CASES: dict[str, Callable[[], tuple[I64, F64]]] = {
    "a run of NaN in the middle": lambda: (_even(), _where(slice(150, 300), np.nan)),
    "runs of NaN of every length": lambda: (_even(), np.where(_every * (_every + 1) % 17 < 8, _noise(), np.nan)),
    "nothing but NaN": lambda: (_even(), np.full(ROWS, np.nan)),
    "one value and nothing after it": lambda: (_even(), _where(slice(1, None), np.nan)),
    "a series that appears": lambda: (_even(), _where(slice(None, 250), np.nan)),
    "a series that vanishes": lambda: (_even(), _where(slice(250, None), np.nan)),
    "a gap of a day": lambda: (_gap(200, 86_400_000), _noise()),
    "a gap of ten years": lambda: (_gap(200, 3_650 * 86_400_000), _noise()),
    "times before 1970": lambda: (_even() - 2 * BEGIN_MS, _noise()),
    "a step that changes midway": lambda: (_steps(1_000, 3_600_000, 15_000), _noise()),
    "steps of a millisecond": lambda: (_steps(1), _noise()),
    "steps of a week": lambda: (_steps(7 * 86_400_000), _noise()),
    "zero throughout": lambda: (_even(), np.zeros(ROWS)),
    "a constant": lambda: (_even(), np.full(ROWS, 7.0)),
    "a constant with one other value": lambda: (_even(), _where(slice(300, 301), 8.0, np.full(ROWS, 7.0))),
    "infinities": lambda: (_even(), np.where(_every % 50 == 0, np.inf * (-1.0) ** (_every // 50), _noise())),
    "one value of 1e308": lambda: (_even(), _where(slice(300, 301), 1e308)),
    "1e308 and back in turns": lambda: (_even(), np.where(_every % 2 == 0, 1e308, -1e308)),
    "one denormal": lambda: (_even(), _where(slice(300, 301), 5e-324, np.zeros(ROWS))),
    "denormals in turns": lambda: (_even(), np.where(_every % 2 == 0, 1e-310, 3e-310)),
    "from tiny to huge": lambda: (_even(), np.where(_every < 200, 1e-9, 1e9)),
}
"""One series each: times (t,) unix ms and values (t,)."""


def cases() -> Iterator[tuple[str, I64, F64]]:
    """Every case with times (t,) and values (t, 3): the series, an ordinary one, and the series from its end."""
    for name, make in CASES.items():
        times, values = make()
        yield name, times, np.column_stack([values, _noise(), values[::-1]])
