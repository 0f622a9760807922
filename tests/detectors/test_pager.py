import numpy as np
import pytest

from detectors import rarity_threshold
from detectors.pager import page_rows


def pages(firing_minutes: list[int], step_min: int = 1, t: int = 2_000) -> list[int]:
    rarity = np.full(t, np.nan)
    rarity[firing_minutes] = 2.0
    return [int(row) for row in page_rows(np.arange(t) * 60_000 * step_min, rarity, 2.0)]


def test_rows_within_the_quiet_time_belong_to_the_open_page() -> None:
    assert pages([0, 60, 121, 181, 242]) == [0, 121, 242]


def test_an_alert_that_stays_active_pages_again_after_four_hours() -> None:
    assert pages(list(range(100, 700, 30))) == [100, 340, 580]


def test_with_hourly_rows_the_quiet_time_is_three_steps() -> None:
    assert pages([10, 13, 17], step_min=60) == [10, 17]


def test_a_budget_becomes_a_threshold_and_nonsense_is_refused() -> None:
    assert rarity_threshold(0.1) == pytest.approx(1.0)
    for bad in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="pages_per_day must be > 0"):
            rarity_threshold(bad)
