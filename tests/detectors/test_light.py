import numpy as np
import pytest

from detectors import Light, level_rarity, rarity_threshold
from detectors.checks import NOISES
from detectors.light import BLOCK
from detectors.pager import page_rows
from tests.detectors._slow_light import SlowLight

STEP_MS = 60_000


def rows(t: int, n: int = 1, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Heavy-tailed noise on a daily cycle, with bursts, gaps and a shift."""
    rng = np.random.default_rng(seed)
    times = np.arange(t, dtype=np.int64) * STEP_MS
    values = rng.standard_t(3, (t, n)) + 10.0 * np.sin(times / 86_400_000 * 2 * np.pi)[:, None] + 100.0
    for start in range(1_500, t, 2_300):
        values[start : start + 5] += 40.0
    values[rng.random((t, n)) < 0.01] = np.nan
    values[t // 3 : t // 3 + 100] = np.nan
    values[2 * t // 3 :] += 15.0
    return times, values


def test_it_equals_the_slow_and_obvious_one() -> None:
    times, values = rows(9_000)
    values[700] = np.inf
    fast, slow = Light(1, 60.0).update(times, values), SlowLight(60.0)
    said = np.array([slow.row(t / 1000, x) for t, x in zip(times, values[:, 0], strict=True)])
    for k, name in enumerate(("rarity", "surprise", "expected")):
        np.testing.assert_allclose(getattr(fast, name)[:, 0], said[:, k], atol=2e-3, err_msg=name)
    assert (np.nan_to_num(said[:, 0]) > 1.0).sum() >= 3
    # The band is solved in closed form: never inside the border that a search finds, and at most a quarter beyond.
    wide, exact = fast.upper[:, 0] - fast.expected[:, 0], said[:, 4] - said[:, 2]
    known = np.isfinite(exact)
    assert (wide[known] >= 0.999 * exact[known]).all()
    assert (wide[known] <= 1.25 * exact[known]).all()


def test_a_tick_says_of_the_odd_what_update_says() -> None:
    times, values = rows(3_000, 5)
    values = values.astype(np.float32).astype(np.float64)
    whole, light = Light(5, 60.0).update(times, values), Light(5, 60.0)
    told = 0
    for row, (time_ms, x) in enumerate(zip(times, values, strict=True)):
        odd = light.tick(int(time_ms), x.astype(np.float32), least=0.0)
        is_told = odd.columns
        told += len(is_told)
        for name in ("rarity", "surprise", "expected", "lower", "upper"):
            np.testing.assert_allclose(getattr(odd, name), getattr(whole, name)[row, is_told], rtol=1e-6)
        expected = np.flatnonzero(np.nan_to_num(level_rarity(whole.rarity[row]), nan=-9.0) >= 0.0)
        assert set(is_told.tolist()) == set(expected.tolist())
    assert told > 20


def test_a_tick_tells_all_of_what_is_watched_and_of_the_rest_all_that_is_rare() -> None:
    times, values = rows(3_000, 3)
    whole, light, odd_only = Light(3, 60.0).update(times, values), Light(3, 60.0), Light(3, 60.0)
    level, rare, odd = level_rarity(whole.rarity), 0, 0
    for row, time_ms in enumerate(times):
        said = light.tick(int(time_ms), values[row], -1.0, np.array([False, False, True]))
        odd += len(odd_only.tick(int(time_ms), values[row], -1.0).columns)
        expected = np.isfinite(level[row]) & ((level[row] >= -1.0) | np.array([False, False, True]))
        assert said.columns.tolist() == np.flatnonzero(expected).tolist()
        rare += int((level[row] >= -1.0).sum())
        for name in ("rarity", "surprise", "expected", "lower", "upper"):
            assert np.array_equal(getattr(said, name), getattr(whole, name)[row, said.columns])
    assert rare > odd > 20
    with pytest.raises(ValueError, match="watched must be"):
        light.tick(int(times[-1]) + 1, values[0], 0.5, np.ones(2, np.bool_))


def test_blocks_leave_no_trace() -> None:
    n = BLOCK + 37
    rng = np.random.default_rng(0)
    values = rng.standard_normal((80, n)) + 5.0
    values[70, [3, BLOCK - 1, BLOCK, n - 1]] += 30.0
    times = np.arange(80) * 15_000
    together, last = Light(n).update(times, values), Light(37).update(times, values[:, BLOCK:])
    assert np.array_equal(together.surprise[:, BLOCK:], last.surprise, equal_nan=True)
    assert sorted(np.argsort(together.surprise[70])[-4:].tolist()) == [3, BLOCK - 1, BLOCK, n - 1]


def test_its_memory_is_at_most_a_hundred_bytes_a_series() -> None:
    assert Light().state_bytes_per_series <= 100
    size = [sum(field.nbytes for field in Light(n).snapshot().values()) for n in (1_000, 2_000)]
    assert size[1] - size[0] == 1_000 * Light().state_bytes_per_series


@pytest.mark.parametrize("noise", sorted(NOISES))
def test_a_promise_of_pages_is_not_exceeded_by_more_than_twice_on_plain_noise(noise: str) -> None:
    values = NOISES[noise](np.random.default_rng(3), (200 * 288, 1))
    times = np.arange(len(values), dtype=np.int64) * 300_000
    said = Light(1).update(times, values)
    for pages_per_day in (1.0, 1 / 7):
        pages = len(page_rows(times, said.rarity[:, 0], rarity_threshold(pages_per_day)))
        assert pages <= 2 * 200 * pages_per_day
    assert len(page_rows(times, said.rarity[:, 0], 0.0)) >= 40, "a page a day comes, if less often on light tails"


def test_a_daily_cycle_becomes_expected() -> None:
    hours = np.arange(20 * 24 * 60) / 60
    values = (np.random.default_rng(0).standard_normal(len(hours)) + 30.0 * (hours % 24 >= 12))[:, None]
    said = Light(1).update(np.arange(len(hours)) * STEP_MS, values)
    noon = np.flatnonzero(hours % 24 == 12)
    assert said.surprise[noon[0], 0] > said.surprise[noon[-1], 0]
    beforehand = said.expected[noon, 0] - said.expected[noon - 120, 0]
    assert beforehand[-1] > 4.0 > beforehand[0]


def test_a_slow_ramp_is_odder_than_any_row_of_it() -> None:
    times, values = np.arange(5_000) * STEP_MS, np.random.default_rng(0).standard_normal((5_000, 1))
    values[3_950:] = 0.0
    ramp, single = values.copy(), values.copy()
    ramp[4_000:4_030, 0] += 0.25 * np.arange(30)
    single[4_020] += 2.5  # what the level, which learns a tenth a row, is behind on the ramp
    said = [Light(1).update(times, v).surprise[:, 0] for v in (ramp, single)]
    assert said[0][4_010:4_030].max() > said[1][4_020] + 0.5


def test_a_frozen_column_is_left_alone() -> None:
    times, values = rows(400, 2)
    light = Light(2)
    light.update(times[:200], values[:200])
    before = light.snapshot()
    said = light.update(times[200:], values[200:], np.array([True, False]))
    after = light.snapshot()
    assert np.isnan(said.surprise[:, 0]).all()
    assert np.isfinite(said.surprise[:, 1]).any()
    assert before["level"][0] == after["level"][0]
    assert before["rows"][0] == after["rows"][0]
    with pytest.raises(ValueError, match="freeze must be"):
        light.update(times[-1:] + STEP_MS, values[-1:], np.array([True]))


def test_a_column_that_is_given_to_another_series_is_cold() -> None:
    times, values = rows(300, 2)
    light = Light(2)
    light.update(times, values)
    light.forget(np.array([0]))
    said = light.update(times[-1] + times[1:60], values[1:60])
    assert np.isnan(said.surprise[:50, 0]).all()
    assert np.isfinite(said.surprise[:50, 1]).any()
    state = light.snapshot()
    assert state["rows"].tolist() == [
        np.isfinite(values[1:60, 0]).sum(),
        np.isfinite(np.r_[values, values[1:60]])[:, 1].sum(),
    ]


def test_a_week_of_silence_ends_a_burst_whatever_its_length_modulo_the_clock() -> None:
    times, values = rows(2_000)
    values[1_999] = 500.0
    light = Light(1, 60.0)
    light.update(times, values)
    later = times[-1] + 65_536_000 * 9 + np.arange(5) * STEP_MS
    said = light.update(later, np.array([[100.0], [100.0], [100.0], [100.0], [490.0]]))
    assert said.rarity[4, 0] > -4.5, "an onset: nothing was as odd within the hour"


def test_nothing_is_said_of_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="step_s must be > 0"):
        Light(1, step_s=0.0)
    with pytest.raises(ValueError, match="offset_s must be within"):
        Light(1, offset_s=1e6)
    with pytest.raises(ValueError, match="n must be >= 2"):
        Light(2).grow(1)
    with pytest.raises(ValueError, match="values must be"):
        Light(2).tick(0, np.zeros(3, np.float32))
    with pytest.raises(ValueError, match="snapshot season must be"):
        Light().restore(Light(2).snapshot() | {"season": np.zeros((2, 2), np.int16)})


def test_no_rows_are_no_verdicts() -> None:
    assert Light(3).update(np.array([], np.int64), np.empty((0, 3))).rarity.shape == (0, 3)
    assert Light().update(np.array([1]), np.empty((1, 0))).rarity.shape == (1, 0)
