"""What every detector asks of the rows and snapshots it is given."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from detectors._base import F64, I64, State


def as_rows(times: I64, values: F64) -> tuple[I64, F64]:
    """Both in the one type and layout that kernels are compiled for: for any other they are compiled anew, 10 s."""
    return np.require(times, np.int64, ("C", "W")), np.require(values, np.float64, ("C", "W"))


def check_rows(times: I64, values: NDArray[np.floating], n: int, last_ms: int | None) -> int | None:
    """The time of the last row, `last_ms` when there is none.

    Raises
    ------
    ValueError : shapes differ, `values` has not n columns, times repeat, go back or are not after `last_ms`
    """
    if times.ndim != 1 or values.shape != (len(times), n):
        raise ValueError(f"values must be {(len(times), n)}, got {values.shape}")
    if not len(times):
        return last_ms
    if (np.diff(times) <= 0).any():
        raise ValueError("times must be strictly increasing")
    if last_ms is not None and times[0] <= last_ms:
        raise ValueError(f"times must be after {last_ms}, got {times[0]}")
    return int(times[-1])


def check_growth(n: int, now: int) -> None:
    """Raise ValueError when there would be fewer columns than there are now."""
    if n < now:
        raise ValueError(f"n must be >= {now}, got {n}")


def step_of(step_s: float | None) -> float:
    """The sampling step in seconds; 0 = not known, to be learnt. Raises ValueError unless it is above 0 or None."""
    if step_s is not None and not step_s > 0.0:
        raise ValueError(f"step_s must be > 0, got {step_s}")
    return 0.0 if step_s is None else float(step_s)


def offset_of(offset_s: float) -> float:
    """Local time less UTC in seconds. Raises ValueError when it is more than a day."""
    if not abs(offset_s) <= 86_400.0:
        raise ValueError(f"offset_s must be within a day of UTC, got {offset_s}")
    return float(offset_s)


def check_version(state: State, version: int, names: Iterable[str]) -> None:
    """Raise ValueError unless the snapshot has this version and all these arrays."""
    got = state.get("version")
    if got is None or got.size != 1 or int(got.item()) != version:
        raise ValueError(f"snapshot version must be {version}, got {got}")
    if missing := [name for name in names if name not in state]:
        raise ValueError(f"snapshot lacks {', '.join(missing)}")


def last_state(last_ms: int | None) -> State:
    """The time of the last row as a part of a snapshot."""
    return {"last_ms": np.array([] if last_ms is None else [last_ms], np.int64)}


def last_of(state: State) -> int | None:
    """The time of the last row from a snapshot."""
    last = state.get("last_ms", np.array([], np.int64))
    return int(last[0].item()) if last.size else None
