"""Memories that are named tuples of arrays: how they grow, are written down and taken up again."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from detectors._base import State
from detectors._rows import check_version

Memory = TypeVar("Memory", bound=NamedTuple)


def joined(memory: Memory, fresh: Memory) -> Memory:
    """The series of both; the first axis of every array is the series."""
    both = zip(memory._asdict().values(), fresh._asdict().values(), strict=True)
    return type(memory)._make(np.concatenate(pair) for pair in both)


def to_state(memory: NamedTuple, version: int) -> State:
    """Copies of all arrays by name, with the version of the layout under "version"."""
    state: State = {name: array.copy() for name, array in memory._asdict().items()}
    return state | {"version": np.array(version, np.int64)}


def from_state(state: State, version: int, empty: Callable[[int], Memory], counted: str) -> Memory:
    """Memory from a snapshot.

    Parameters
    ----------
    empty : makes the memory of n series
    counted : field with one value for each series

    Raises
    ------
    ValueError : version, names, shapes or types are not ours
    """
    check_version(state, version, empty(0)._asdict())
    memory = empty(len(state[counted]))
    for name, array in memory._asdict().items():
        check_array(name, array, state[name])
        array[...] = state[name]
    return memory


def check_array(name: str, wanted: NDArray[np.generic], got: NDArray[np.generic]) -> None:
    """Raise ValueError unless an array of a snapshot has the shape and type of ours."""
    if got.shape != wanted.shape or got.dtype != wanted.dtype:
        raise ValueError(f"snapshot {name} must be {wanted.shape} {wanted.dtype}, got {got.shape} {got.dtype}")
