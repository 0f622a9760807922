from __future__ import annotations

import numpy as np
import pytest

from aiops.model import Signal
from aiops.packs import Recipe, Selector
from aiops.packs.arithmetic import bucket_quantile, signal_values

inf, nan = np.inf, np.nan


def recipe(form: str, min_traffic: float = 0.0, scale: float = 1.0) -> Recipe:
    to = Selector("to") if form in ("ratio", "mean", "level_ratio") else None
    return Recipe("p", Signal("s", "errors", min_traffic=min_traffic), form, Selector("of"), to, scale=scale)


def test_gauges_and_rates_are_only_scaled():
    for form in ("gauge", "rate"):
        np.testing.assert_array_equal(signal_values(recipe(form, scale=0.5), np.array([4.0, nan])), [2.0, nan])


def test_a_ratio_without_errors_is_zero_but_unknown_without_requests():
    values = signal_values(recipe("ratio"), np.array([nan, 1.0, nan, 2.0]), np.array([3.0, 4.0, nan, 0.0]))
    np.testing.assert_array_equal(values, [0.0, 0.25, nan, nan])


def test_a_mean_without_a_sum_is_unknown():
    values = signal_values(recipe("mean", scale=0.001), np.array([500.0, nan]), np.array([2.0, 2.0]))
    np.testing.assert_array_equal(values, [0.25, nan])


@pytest.mark.parametrize("form", ["ratio", "mean", "quantile"])
def test_nothing_is_said_below_the_least_traffic(form: str):
    values = signal_values(recipe(form, min_traffic=0.5), np.ones(3), np.array([0.49, 0.5, 2.0]))
    assert np.isnan(values).tolist() == [True, False, False]


def test_a_share_of_a_level_needs_no_traffic():
    values = signal_values(recipe("level_ratio", min_traffic=9.0), np.array([1.0, 1.0]), np.array([4.0, 0.0]))
    np.testing.assert_array_equal(values, [0.25, nan])


def test_a_form_that_divides_refuses_to_do_without_a_denominator():
    with pytest.raises(ValueError, match="ratio of s needs a denominator"):
        signal_values(recipe("ratio"), np.ones(1))


BOUNDS = np.array([0.1, 0.2, 0.4, inf])


@pytest.mark.parametrize(
    ("q", "counts", "expected"),
    [
        (0.5, [10, 20, 20, 20], 0.1),
        (0.75, [10, 20, 20, 20], 0.15),
        (0.25, [10, 20, 20, 20], 0.05),
        (0.95, [0, 0, 0, 20], 0.4),  # above all bounds: the highest is all that is known
        (0.5, [0, 10, 8, 20], 0.2),  # torn scrape: counts are made monotonic
        (0.5, [nan, 10, nan, 10], 0.1),
        (0.5, [0, 0, 0, 0], nan),
        (0.5, [1, 2, 3, nan], nan),
        (0.5, [nan, nan, nan, 5], nan),
    ],
)
def test_quantiles_are_interpolated_inside_their_bucket(q: float, counts: list[float], expected: float):
    np.testing.assert_allclose(bucket_quantile(q, BOUNDS, np.array(counts, dtype=float)), expected)


def test_a_lowest_bound_that_is_not_positive_is_the_answer_itself():
    assert bucket_quantile(0.1, np.array([-1.0, 1.0, inf]), np.array([5.0, 6.0, 6.0])) == -1.0


def test_many_histograms_are_answered_at_once_in_their_shape():
    counts = np.array([[[10.0, 20, 20, 20], [0, 0, 0, 0]]])
    np.testing.assert_allclose(bucket_quantile(0.75, BOUNDS, counts), [[0.15, nan]])
