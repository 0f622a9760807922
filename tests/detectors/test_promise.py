"""Rarity promises false pages: on noise all pages, on series with incidents in their past fewer than all."""

import numpy as np
import pytest

from detectors import Bank, rarity_threshold
from detectors.checks import NOISES
from detectors.pager import page_rows
from tests.benchmarks._noise_promise import Plan, told

STEP_MS = 300_000
DAY_ROWS = 288


def rarity_of(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    times = np.arange(len(values), dtype=np.int64) * STEP_MS
    return times, Bank(1).update(times, values[:, None]).rarity[:, 0]


@pytest.mark.parametrize("noise", ["gaussian", "student_t3", "log_normal"])
@pytest.mark.parametrize("pages_per_day", [1.0, 1 / 7])
def test_on_noise_the_promise_is_kept_within_twice(noise: str, pages_per_day: float) -> None:
    values = NOISES[noise](np.random.default_rng(3), (400 * DAY_ROWS, 1))[:, 0]
    times, rarity = rarity_of(values)
    pages = len(page_rows(times, rarity, rarity_threshold(pages_per_day)))
    assert 0.5 <= pages / 400 / pages_per_day <= 2.0


def test_on_sparse_counts_it_is_not_exceeded() -> None:
    values = NOISES["poisson"](np.random.default_rng(3), (400 * DAY_ROWS, 1))[:, 0]
    times, rarity = rarity_of(values)
    assert 0 < len(page_rows(times, rarity, rarity_threshold(1 / 7))) <= 2 * 400 / 7


@pytest.mark.parametrize("noise", ["poisson_1", "poisson_10", "poisson_100", "student_t3", "log_normal_1"])
def test_once_a_series_is_old_a_page_a_month_is_kept_within_twice_whatever_the_tail(noise: str) -> None:
    _, later = told(noise, Plan(step_s=300, days=180, series=6, short=0))
    assert 0.5 <= later.pages / later.promised <= 2.0


def test_tails_heavier_than_the_shared_law_are_carried_on_as_they_fell() -> None:
    _, later = told("log_normal_2", Plan(step_s=300, days=180, series=6, short=0))
    assert later.pages / later.promised <= 3.0


@pytest.mark.parametrize("noise", ["student_t2", "log_normal_2"])
def test_heavy_tails_page_a_few_times_too_often_in_the_first_days_not_twenty_times(noise: str) -> None:
    young, _ = told(noise, Plan(step_s=15, days=14, series=10, short=0))
    assert young.pages / young.promised <= 7.0


def with_incidents(*, drops: bool) -> np.ndarray:
    """Sixty days of noise with an incident of an hour every other day, and perhaps a lost sample twice a day."""
    values = np.random.default_rng(5).standard_normal(60 * DAY_ROWS) + 100.0
    for day in range(3, 60, 2):
        values[day * DAY_ROWS : day * DAY_ROWS + 12] += 15.0 * np.where(np.arange(12) % 2, 1.0, -1.0)
    if drops:
        values[DAY_ROWS // 4 :: DAY_ROWS // 2] = 0.0
    return values


def test_lost_samples_become_ordinary_even_where_incidents_last() -> None:
    rarity = rarity_of(with_incidents(drops=True))[1]
    lost = np.arange(DAY_ROWS // 4, len(rarity), DAY_ROWS // 2)
    said = np.maximum(rarity[lost], rarity[lost + 1])
    assert np.median(said[6:12]) > rarity_threshold(1.0)
    assert np.median(said[-30:]) < rarity_threshold(1 / 2)


def test_incidents_that_last_stay_rare_however_many_there_were() -> None:
    rarity = rarity_of(with_incidents(drops=False))[1]
    first_rows = [day * DAY_ROWS + np.arange(3) for day in range(45, 60, 2)]
    assert all(rarity[rows].max() > rarity_threshold(1 / 7) for rows in first_rows)


def test_the_next_burst_is_rarer_on_a_series_of_bursts_than_the_next_spike_on_one_of_spikes() -> None:
    rng = np.random.default_rng(5)
    base = rng.standard_normal(60 * DAY_ROWS)
    starts = np.arange(3 * DAY_ROWS, 60 * DAY_ROWS, DAY_ROWS // 3)
    heights = rng.uniform(8.0, 12.0, len(starts))
    spikes, bursts = base.copy(), base.copy()
    for start, height in zip(starts, heights, strict=True):
        spikes[start] += height
        bursts[start : start + 12] += height * np.where(np.arange(12) % 2, 1.0, -1.0)
    late = starts[-30:]
    spiky, bursty = (np.max([rarity_of(v)[1][late + k] for k in range(3)], axis=0) for v in (spikes, bursts))
    assert np.median(bursty) > np.median(spiky) + 0.3
