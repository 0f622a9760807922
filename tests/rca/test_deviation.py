import numpy as np
import pytest

from rca import deviation as module
from rca._deviation_kernel import measure
from rca.deviation import deviation, quantile

LONG = 200


def noisy(seed: int, rows: int = 120, count: int = 60) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = rng.lognormal(0, 0.3, (rows, count)) * rng.choice([0.01, 1.0, 1e6], count)
    values[:, :10] = rng.poisson(3.0, (rows, 10))
    values[:, 10:13] = 1.0
    values[rng.random(values.shape) < 0.1] = np.nan
    values[:, 13] = np.nan
    values[3:, 14] = np.nan
    return np.asarray(values)


@pytest.mark.parametrize("abnormal", [0, 1, 3, 10, 40])
def test_the_compiled_version_gives_the_plain_numbers(abnormal: int, monkeypatch: pytest.MonkeyPatch) -> None:
    values = noisy(abnormal)
    split = len(values) - abnormal
    plain = deviation(values[:split], values[split:], 0.01)
    monkeypatch.setattr(module, "_LARGE", 0)
    compiled = deviation(values[:split], values[split:], 0.01)
    for name in ("median", "scale", "up", "down", "z_up", "z_down"):
        # Sums are added in another order: equal to rounding, and NaN in the same places.
        np.testing.assert_allclose(getattr(plain, name), getattr(compiled, name), rtol=1e-9, atol=1e-12, err_msg=name)


def test_the_quantile_is_that_of_numpy_without_the_missing() -> None:
    values = noisy(5)[:, :10]
    np.testing.assert_allclose(quantile(values, 0.3), np.nanquantile(values, 0.3, axis=0))


def test_a_series_must_beat_its_own_past_maxima() -> None:
    calm = np.sin(np.arange(100.0))[:, None] * 0.1 + 10
    spiky = calm.copy()
    spiky[10::20] += 5.0
    spiky[11::20] += 5.0
    abnormal = np.full((2, 1), 15.0)
    assert deviation(calm, abnormal).z_up[0] > 10
    assert deviation(spiky, abnormal).z_up[0] < 2


def test_one_odd_value_of_five_is_no_fault() -> None:
    calm = np.sin(np.arange(100.0))[:, None] + 10
    once, mostly = np.full((5, 1), 10.0), np.full((5, 1), 30.0)
    once[2] = 30.0
    assert deviation(calm, mostly).z_up[0] > 2 * deviation(calm, once).z_up[0]


def test_what_was_always_zero_is_clearly_but_not_infinitely_odd_when_it_is_not() -> None:
    found = deviation(np.zeros((50, 1)), np.full((3, 1), 0.9))
    assert found.z_up[0] == pytest.approx(10.0)


def test_counts_vary_at_least_like_counts() -> None:
    quiet = np.full((50, 1), 100.0)
    assert deviation(quiet, np.full((3, 1), 110.0)).scale[0] == pytest.approx(10.0)


def test_too_few_normal_values_are_no_opinion() -> None:
    found = deviation(np.ones((4, 1)), np.full((3, 1), 9.0))
    assert np.isnan(found.z_up[0])


def test_the_kernel_is_compiled_ahead_for_what_it_is_called_with() -> None:
    module.compile_kernel()
    ahead = list(measure.signatures)
    assert ahead
    large = noisy(0, 2 * LONG, module._LARGE // LONG)
    deviation(large[:LONG], np.asfortranarray(large[LONG : LONG + 40]))
    assert measure.signatures == ahead
