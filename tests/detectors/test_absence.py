import numpy as np
import pytest

from detectors import Absence


def say(present: np.ndarray) -> np.ndarray:
    values = np.where(present, 1.0, np.nan)[:, None]
    return Absence(1).update(np.arange(len(present), dtype=np.int64) * 15_000, values).surprise[:, 0]


def test_a_regular_series_that_stops_surprises_more_and_more() -> None:
    surprise = say(np.arange(2_000) < 1_990)
    assert (surprise[100:1_990] == 0.0).all()
    assert surprise[1_990] > 3.0
    assert surprise[1_997] > surprise[1_990] + 1.0


def test_the_surprise_of_random_gaps_is_their_share() -> None:
    present = np.random.default_rng(1).random(200_000) > 0.01
    surprise = say(present)
    starts = ~present & np.r_[True, present[:-1]]
    assert np.median(surprise[starts & (np.arange(200_000) > 10_000)]) == pytest.approx(2.0, abs=0.1)


def test_a_series_that_pauses_regularly_is_no_news_when_it_pauses() -> None:
    present = np.arange(20_000) % 100 < 80
    assert np.nanmax(say(present)[10_000:]) < 2.1


def test_there_is_no_opinion_on_new_rare_or_ended_series() -> None:
    assert np.isnan(say(np.arange(100) < 30)[30:]).all()
    assert np.isnan(say(np.arange(1_000) % 3 == 0)[500:][np.arange(500) % 3 != 1]).any()
    ended = say(np.arange(10_000) < 1_000)
    assert np.isfinite(ended[1_400])
    assert np.isnan(ended[1_600:]).all()


def test_old_habits_fade() -> None:
    present = np.ones(400_000, bool)
    present[:20_000] = np.arange(20_000) % 20 != 0
    present[-1] = False
    assert say(present)[-1] > 2.0


def test_shrinking_and_foreign_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="n must be >= 2"):
        Absence(2).grow(1)
    with pytest.raises(ValueError, match="gaps must be"):
        Absence().restore(Absence(2).snapshot() | {"gaps": np.zeros((2, 1))})
    with pytest.raises(ValueError, match=r"gap must be \(2,\) float32, got \(2,\) float64"):
        Absence().restore(Absence(2).snapshot() | {"gap": np.zeros(2)})
