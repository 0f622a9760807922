import math

import numpy as np
import pytest

from detectors._power import exp2, log2, power


@pytest.mark.parametrize("x", [1e-300, 1e-20, 0.5, 0.70710678, 0.7072, 1.0, 1.4142, 1.41422, 3.0, 1e20, 1e300])
def test_the_logarithm_is_right_to_a_hundred_thousandth(x: float) -> None:
    assert log2(x) == pytest.approx(math.log2(x), abs=1e-5)


@pytest.mark.parametrize("x", [-999.5, -1.5, -0.5, 0.0, 0.49, 0.5, 3.3, 999.5])
def test_the_exponential_is_right_to_a_hundred_thousandth(x: float) -> None:
    assert exp2(x) == pytest.approx(2.0**x, rel=1e-5)


def test_powers_are_right_and_never_infinite() -> None:
    for x in (1e-10, 0.3, 1.0, 7.0, 1e20):
        assert power(x, 1.7) == pytest.approx(x**1.7, rel=1e-4)
    assert power(0.0, 1.7) == 0.0
    assert np.isfinite(power(1e300, 5.0))
