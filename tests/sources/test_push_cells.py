"""Samples summed up in the cells of ticks."""

import numpy as np
import pytest

from aiops.sources._pushed_cells import scatter

STEP_MS = 1_000


@pytest.mark.parametrize("time_ms", [8_999, 9_000, 11_001, 60_000])
def test_a_sample_of_no_tick_that_closes_is_refused_and_written_nowhere(time_ms: int) -> None:
    cells = np.zeros((4, 1, 8))
    places = np.array([1, 2])  # of the ticks at 10 s and 11 s
    with pytest.raises(IndexError, match="outside the ticks"):
        scatter(cells, places, 10_000, STEP_MS, np.zeros(1, np.int32), np.array([time_ms]), np.ones(1))
    assert not cells.any()


@pytest.mark.parametrize(("time_ms", "place"), [(9_001, 1), (10_000, 1), (10_001, 2), (11_000, 2)])
def test_a_sample_counts_for_the_tick_that_follows_it(time_ms: int, place: int) -> None:
    cells = np.zeros((4, 1, 8))
    repeated = scatter(cells, np.array([1, 2]), 10_000, STEP_MS, np.zeros(1, np.int32), np.array([time_ms]), np.ones(1))
    assert repeated == 0
    assert [place] == list(np.flatnonzero(cells.any(axis=(1, 2))))
