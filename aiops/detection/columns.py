"""The memory of a detector for some of its columns only."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

State = dict[str, NDArray[np.generic]]

WHOLE = frozenset({"version", "last_ms", "clock"})
"""Arrays of a detector that are not per series."""

BY_HOUR = frozenset({"season"})
"""Arrays of the light bank whose second axis is the series."""


def only(
    state: Mapping[str, NDArray[np.generic]], columns: NDArray[np.integer], across: frozenset[str] = frozenset()
) -> State:
    """What a snapshot has of these columns, in their order.

    Parameters
    ----------
    across : arrays whose second axis is the series

    >>> state = {"level": np.arange(3), "version": np.array(1)}
    >>> {name: array.tolist() for name, array in only(state, np.array([2, 0])).items()}
    {'level': [2, 0], 'version': 1}
    """
    return {
        name: array if name in WHOLE else array[:, columns] if name in across else array[columns]
        for name, array in state.items()
    }
