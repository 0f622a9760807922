import numpy as np
import pytest
from numba import njit

from detectors._band import band
from detectors._base import F64
from detectors._memory import LEVELS, Memory, empty


def borders(levels: list[float], weights: list[float], limit: float) -> tuple[float, float, float]:
    memory, out = empty(1), np.full(5, np.nan)
    memory["last"], memory["offset"] = levels[0], levels[0] - np.array(levels)
    _band(memory, np.array(weights), limit, out)
    return out[2], out[3], out[4]


@njit
def _band(memory: Memory, weights: F64, limit: float, out: F64) -> None:
    band(memory[0], weights, np.empty((2, LEVELS)), limit, out)


def oddness(levels: list[float], weights: list[float], x: float) -> float:
    return float(np.sum(np.array(weights) * np.abs(x - np.array(levels))))


@pytest.mark.parametrize("limit", [3.0, 6.0, 20.0, 200.0])
@pytest.mark.parametrize(
    "levels", [[1.0, 2.0, 3.0, 4.0], [5.0, 1.0, 1.0, -2.0], [0.0, 0.0, 0.0, 0.0], [9.0, 8.0, 0.0, -9.0]]
)
def test_a_value_on_the_border_is_as_odd_as_the_limit(levels: list[float], limit: float) -> None:
    weights = [0.5, 1.0, 0.25, 0.7]
    _, lower, upper = borders(levels, weights, limit)
    least = min(oddness(levels, weights, x) for x in levels)
    for border in (lower, upper):
        assert oddness(levels, weights, border) == pytest.approx(max(limit, least))
    assert lower <= upper


def test_the_expected_value_is_the_weighted_mean() -> None:
    assert borders([0.0, 1.0, 2.0, 3.0], [1.0, 1.0, 1.0, 5.0], 100.0)[0] == pytest.approx(18 / 8)


def test_without_a_limit_there_are_no_borders() -> None:
    expected, lower, upper = borders([1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0], np.nan)
    assert expected == 1.0
    assert np.isnan([lower, upper]).all()
