"""The memory of the light bank: 94 bytes a series, laid out by how often it is touched.

What every tick reads and writes has one array per field, so that a tick streams only that, and two rows of `season`.
What is touched when a row is odd lies side by side, because it is fetched from a random place. The rest is touched once
an hour.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors._base import F64

F32 = NDArray[np.float32]
U16 = NDArray[np.uint16]

VERSION = 1
HOURS = 24
FIRST_ODD = 3.0  # oddness that one row in 200 exceeds, before anything is known: a little more than of noise
FIRST_RARE_LOG2, FIRST_RAREST_LOG2 = 3.0, 4.3  # of one row in 3,000, and in 100,000
FIRST_LENGTH = 1.6  # rows of a burst before one was seen

# Columns of `borders`: log2 of the oddness that one row in 10 ** 3.5 exceeds, and one in 10 ** 5.
RARE, RAREST = range(2)

# Columns of `tail`.
PEAK = 0  # highest oddness within the quiet time, as PEAK_ONE times its log2 plus PEAK_ZERO; 0 = none
PEAK_S = 1  # its time, seconds modulo 65,536
FIRED_S = 2  # last row of a burst, likewise
AGE_H = 3  # hours with rows
BURST = 4  # rows of the open burst, 0 = none
BURST_MEAN = 5  # rows a burst has on average, in 1/1024
TAIL = 6
LENGTH_ONE = 1024.0
PEAK_ONE, PEAK_ZERO = 2048.0, 8192.0  # reach from 1/16 to 2 ** 28
MOST = 65_535  # what a field of `tail` holds

# The clock of the bank: one for all series, a row is one moment.
STEP_S, LAST_S, HOUR, HOUR_ROWS = range(4)


class LightMemory(NamedTuple):
    """Everything the light bank knows; column i is series i.

    Parameters
    ----------
    level : follower of the value without its season, in the unit of the series
    variance : mean squared residual
    odd : oddness that one row in 200 exceeds
    shift : mean signed ratio of the last ten residuals to their usual size
    hour : mean of this hour, without the season; NaN = no row yet
    rows : seen, at most 65,535
    season : (24, n) what an hour of the day (of the clock) adds to the level, in 1/32 of the usual residual
    base : mean of the hours of some days
    borders : (n, 2) of the rare rows
    tail : (n, 6)
    clock : (4,) step, last row in unix s, its hour, rows in that hour
    """

    level: F32
    variance: F32
    odd: F32
    shift: F32
    hour: F32
    rows: U16
    season: NDArray[np.int16]
    base: F32
    borders: F32
    tail: U16
    clock: F64


def empty(n: int) -> LightMemory:
    """Memory of n series nobody has seen."""

    def floats(value: float = 0.0) -> F32:
        return np.full(n, value, np.float32)

    tail = np.zeros((n, TAIL), np.uint16)
    tail[:, BURST_MEAN] = FIRST_LENGTH * LENGTH_ONE
    return LightMemory(
        level=floats(),
        variance=floats(),
        odd=floats(FIRST_ODD),
        shift=floats(),
        hour=floats(np.nan),
        rows=np.zeros(n, np.uint16),
        season=np.zeros((HOURS, n), np.int16),
        base=floats(),
        borders=np.tile(np.array([FIRST_RARE_LOG2, FIRST_RAREST_LOG2], np.float32), (n, 1)),
        tail=tail,
        clock=np.array([0.0, np.nan, np.nan, 0.0]),
    )


def grown(memory: LightMemory, n: int) -> LightMemory:
    """The same memory with n columns in all; new ones are cold."""
    fresh = empty(n - len(memory.level))._asdict()
    parts = {name: np.concatenate([field, fresh[name]], axis=_axis(name)) for name, field in _by_series(memory)}
    return memory._replace(**parts)


def forget(memory: LightMemory, columns: NDArray[np.integer]) -> None:
    """Make columns cold, for other series."""
    fresh = empty(len(columns))._asdict()
    for name, field in _by_series(memory):
        field[(slice(None), columns) if _axis(name) else columns] = fresh[name]


def _by_series(memory: LightMemory) -> list[tuple[str, NDArray[np.generic]]]:
    return [(name, field) for name, field in memory._asdict().items() if name != "clock"]


def _axis(name: str) -> int:
    """Along which axis of a field the series lie."""
    return 1 if name == "season" else 0


def bytes_per_series() -> int:
    """Size of one series' memory."""
    return sum(field.nbytes for _, field in _by_series(empty(1)))
