import numpy as np
import pytest

from detectors import Novelty
from detectors.checks import NOISES, surprise_shares
from detectors.novelty import LENGTH, WARM_ROWS


def said(values: np.ndarray, rows: int = 96) -> np.ndarray:
    times = np.arange(len(values), dtype=np.int64) * 60_000
    return Novelty(1, rows).update(times, values[:, None]).surprise[:, 0]


def saw(t: int = 3_000) -> np.ndarray:
    return np.arange(t) % 12 + np.random.default_rng(1).normal(0.0, 0.05, t)


def test_the_distance_is_that_of_the_nearest_window_of_the_rows_kept() -> None:
    values = np.random.default_rng(2).standard_normal(300)
    detector = Novelty(1, 60)
    for t, value in enumerate(values):
        before = float(detector._memory.usual[0])
        detector.update(np.array([t]), np.array([[value]]))
        if t < 2 * LENGTH - 1:
            continue
        newest = values[t - LENGTH + 1 : t + 1]
        first = max(0, t - 60 + 1)
        ends = range(first + LENGTH - 1, t - LENGTH + 1)
        nearest = min(float(np.linalg.norm(newest - values[k - LENGTH + 1 : k + 1])) for k in ends)
        rate = max(1 / 2_000, 1 / (t + 2 - 2 * LENGTH))
        assert detector._memory.usual[0] == pytest.approx(before + rate * (nearest - before))


def test_a_shape_that_never_was_surprises_at_a_height_that_is_usual() -> None:
    values = saw()
    values[2_500:2_506] = 5.5
    surprise = said(values)
    assert np.nanargmax(surprise) in range(2_500, 2_512)
    assert np.nanmax(surprise) > np.nanmax(surprise[:2_500]) + 0.3


def test_what_came_within_the_rows_kept_is_not_new_and_is_once_they_have_passed() -> None:
    values = saw()
    for start in (2_000, 2_048, 2_600):
        values[start : start + 6] = 5.5
    surprise = said(values)
    first, again, late = (np.nanmax(surprise[s : s + 6]) for s in (2_000, 2_048, 2_600))
    assert again < first - 1.0
    assert late > again + 1.0


def test_there_is_no_opinion_in_the_first_rows_or_on_missing_values() -> None:
    values = saw(400)
    values[300] = np.nan
    surprise = said(values)
    assert np.isnan(surprise[: int(WARM_ROWS)]).all()
    assert np.isfinite(surprise[int(WARM_ROWS) : 300]).all()
    assert np.isnan(surprise[300])


@pytest.mark.parametrize("noise", sorted(NOISES))
def test_on_noise_surprise_is_not_said_more_often_than_it_means(noise: str) -> None:
    shares = surprise_shares(Novelty, noise, 60, rows=100_000, n=2)
    assert all(share <= 3.0 for share in shares.values())
    assert shares[2] >= 0.3


def test_a_constant_is_nothing_new_and_its_first_change_is() -> None:
    values = np.full(500, 7.0)
    values[400] = 8.0
    surprise = said(values)
    assert np.nanmax(surprise[:400]) < 0.5
    assert surprise[400] > 1.5


def test_settings_and_snapshots_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="rows must be >= 24, got 10"):
        Novelty(1, 10)
    with pytest.raises(ValueError, match="n must be >= 2"):
        Novelty(2).grow(1)
    with pytest.raises(ValueError, match=r"ring must be \(1, 96\)"):
        Novelty(1).restore(Novelty(1, 200).snapshot())
