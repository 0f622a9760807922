import numpy as np
import pytest

from detectors.mahalanobis import SMOOTH, WARM_ROWS, cloud_from, distances, empty_cloud


def measured(values: np.ndarray) -> np.ndarray:
    out = np.full(len(values), np.nan)
    distances(empty_cloud(values.shape[1]), values, out)
    return out


def together(t: int = 4_000) -> np.ndarray:
    rng = np.random.default_rng(4)
    load = rng.standard_normal((t, 1))
    return 50.0 + load + 0.2 * rng.standard_normal((t, 5))


def test_ordinary_rows_stand_at_about_one() -> None:
    far = measured(np.random.default_rng(1).standard_normal((4_000, 5)))
    assert np.isnan(far[: int(WARM_ROWS)]).all()
    assert np.nanmean(far[1_000:]) == pytest.approx(1.0, abs=0.15)


def test_the_distance_is_that_of_the_closed_form() -> None:
    values = np.random.default_rng(2).standard_normal((3_000, 3)) @ np.array([[1.0, 0.5, 0.0], [0, 1, 0.3], [0, 0, 1]])
    values[2_999] = [4.0, -3.0, 2.0]
    far = measured(values)
    delta = values[2_999] - values[:2_999].mean(axis=0)
    exact = delta @ np.linalg.inv(np.cov(values[:2_999].T)) @ delta / 3
    # the newest row weighs SMOOTH; factorised up to 50 rows earlier, with a small ridge
    assert (far[2_999] - (1 - SMOOTH) * far[2_998]) / SMOOTH == pytest.approx(exact, rel=0.06)


def test_signals_that_part_are_far_though_each_is_usual() -> None:
    values = together()
    values[3_900, 0] = values[3_900, 1] - 2.0
    assert np.nanargmax(measured(values)) in range(3_900, 3_903)


def test_missing_values_and_rows_leave_the_rest_alone() -> None:
    values = together()
    holes = values.copy()
    holes[::7, 2] = np.nan
    holes[3_500] = np.nan
    far = measured(holes)
    assert np.isnan(far[3_500])
    assert np.nanmax(far) < 20.0
    # below 1, for the ridge takes from the narrow directions of signals that move together
    assert 0.5 < np.nanmean(far[2_000:]) < 1.1


def test_constants_and_huge_values_give_no_infinity() -> None:
    values = np.column_stack([np.ones(1_000), np.where(np.arange(1_000) % 2, 1e20, -1e20), np.zeros(1_000)])
    values[900, 2] = 1.0
    far = measured(values)
    assert not np.isinf(far).any()
    assert np.isfinite(far[300:]).all()


def test_a_foreign_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"mean must be \(3,\)"):
        cloud_from({"counts": np.zeros(2), "mean": np.zeros(2)}, 3)
