import math

import numpy as np
import pytest
from scipy.stats import binom

from detectors.shares import share_edge, share_surprise


@pytest.mark.parametrize("of", [3, 12, 60, 1_000])
@pytest.mark.parametrize("usual", [0.001, 0.05, 0.5])
def test_the_surprise_is_at_most_that_of_the_exact_binomial_and_near_it(of: int, usual: float) -> None:
    for hits in range(of + 1):
        chance = binom.sf(hits - 1, of, usual)
        if hits / of <= usual or chance < 1e-250:
            continue
        said = share_surprise(hits / of, of, usual)
        exact = -math.log10(chance)
        assert said <= exact + 1e-9
        # The bound misses a factor of about the square root of the variance, never more than of 2 sqrt(2 n).
        assert exact - said <= math.log10(2 * math.sqrt(2 * of))


def test_a_share_up_to_the_usual_one_is_no_surprise_and_one_where_none_is_possible_is_infinite() -> None:
    assert share_surprise(0.2, 100.0, 0.2) == share_surprise(0.0, 100.0, 0.2) == 0.0
    assert share_surprise(0.5, 0.0, 0.1) == share_surprise(1.0, 50.0, 1.0) == 0.0
    assert share_surprise(0.1, 5.0, 0.0) == math.inf
    assert share_surprise(1.0, 2.0, 0.1) == pytest.approx(2.0)


def test_values_beyond_the_ends_are_taken_for_them_and_nan_is_not_known() -> None:
    assert share_surprise(7.0, 2.0, 0.1) == share_surprise(1.0, 2.0, 0.1)
    assert share_surprise(0.5, 2.0, -3.0) == math.inf
    for arguments in ((np.nan, 2.0, 0.1), (0.5, np.nan, 0.1), (0.5, 2.0, np.nan)):
        assert math.isnan(share_surprise(*arguments))


@pytest.mark.parametrize("of", [5.0, 40.0, 3_000.0])
def test_the_edge_is_where_the_surprise_begins(of: float) -> None:
    edge = share_edge(of, 0.02, 3.0)
    assert share_surprise(edge, of, 0.02) <= 3.0
    assert share_surprise(edge + 1e-6, of, 0.02) > 3.0
