import numpy as np
import pytest

from detectors import Bank
from detectors.bank import WARM_ROWS
from detectors.constants import Constants
from detectors.rarity import LOWEST, level_rarity

MINUTE_MS = 60_000


def rows(t: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return np.arange(t, dtype=np.int64) * MINUTE_MS, rng.standard_normal((t, 1)) + 100.0


def test_a_spike_is_the_rarest_row_and_lies_outside_the_band() -> None:
    times, values = rows(5_000)
    values[4_000] += 40.0
    said = Bank(1).update(times, values)
    assert np.nanargmax(said.rarity) in {4_000, 4_001}
    assert said.rarity[4_000, 0] > np.nanmax(said.rarity[:4_000]) + 1.0
    assert said.upper[4_000, 0] < values[4_000, 0]
    assert said.lower[4_000, 0] < said.expected[4_000, 0] < said.upper[4_000, 0]
    assert abs(said.expected[4_000, 0] - 100.0) < 2.0


def test_the_first_rows_get_no_opinion() -> None:
    times, values = rows(200)
    said = Bank(1).update(times, values)
    assert np.isnan(said.rarity[: int(WARM_ROWS) - 1]).all()
    assert np.isfinite(said.rarity[int(WARM_ROWS) :]).all()


def test_missing_values_change_nothing() -> None:
    times, values = rows(2_000)
    holes = values.copy()
    holes[100:110] = np.nan
    holes[110] = np.inf
    kept = np.r_[0:100, 111:2_000]
    with_holes = Bank(1).update(times, holes)
    without = Bank(1).update(times[kept], values[kept])
    assert np.isnan(with_holes.surprise[100:111]).all()
    assert np.array_equal(with_holes.surprise[kept], without.surprise, equal_nan=True)


def test_only_the_onset_of_a_lasting_shift_is_rare() -> None:
    times, values = rows(5_000)
    values[4_000:4_030] += 30.0
    said = Bank(1).update(times, values)
    assert said.rarity[4_000, 0] > 0.0
    assert (said.rarity[4_005:4_030] < 0.0).all()
    assert said.surprise[4_005, 0] > 2.0


def test_what_is_new_an_hour_after_an_incident_began_is_an_onset_though_the_incident_was_odder_to_its_end() -> None:
    times, values = rows(5_000)
    values[4_000:4_030] += np.where(np.arange(30) % 2, 60.0, 0.0)[:, None]
    values[4_065] += 30.0
    assert Bank(1).update(times, values).rarity[4_065, 0] > LOWEST


def test_other_constants_give_other_rarities() -> None:
    times, values = rows(3_000)
    shipped = level_rarity(Bank(1).update(times, values).rarity[60:])
    eager = level_rarity(Bank(1, constants=Constants(prior_pages=10.0)).update(times, values).rarity[60:])
    marked = shipped > LOWEST  # below the first mark nothing is asked
    assert (eager >= shipped).all()
    assert np.median((eager - shipped)[marked]) > 0.5


def test_the_same_oddness_is_less_rare_once_it_has_happened_often() -> None:
    times, values = rows(60_000)
    values[30_000::300] += 20.0
    said = Bank(1).update(times, values)
    assert said.rarity[30_000, 0] > said.rarity[59_700, 0] + 0.5


def test_a_frozen_column_is_scored_but_learns_nothing() -> None:
    times, values = rows(3_000)
    values[2_000:2_500] += 40.0
    bank = Bank(1)
    bank.update(times[:2_000], values[:2_000])
    before = bank.snapshot()
    said = bank.update(times[2_000:2_500], values[2_000:2_500], np.array([True]))
    after = bank.snapshot()
    for learnt in ("last", "offset", "scale", "bin_scale", "pages", "rows_above", "rows", "pending_days"):
        assert np.array_equal(before[learnt], after[learnt]), learnt
    assert (said.surprise > 3.0).all()
    assert np.nanmean(bank.update(times[2_500:], values[2_500:]).surprise) < 1.5


def test_a_frozen_column_nobody_has_seen_stays_unseen() -> None:
    times, values = rows(100)
    bank = Bank(1)
    assert np.isnan(bank.update(times, values, np.array([True])).rarity).all()
    assert bank.snapshot()["rows"][0] == 0.0


def test_accept_makes_the_recent_level_normal_and_can_be_taken_back() -> None:
    times, values = rows(3_000)
    values[2_000:] += 40.0
    bank = Bank(1)
    bank.update(times[:2_000], values[:2_000])
    bank.update(times[2_000:2_100], values[2_000:2_100], np.array([True]))
    before = bank.snapshot()
    replaced = bank.accept(np.array([0]))
    bank.update(times[2_100:2_101], values[2_100:2_101])
    accepted = bank.update(times[2_101:2_110], values[2_101:2_110])
    assert (accepted.surprise < 3.0).all()
    assert abs(accepted.expected[0, 0] - 140.0) < 2.0
    bank.take_back(np.array([0]), replaced)
    assert all(np.array_equal(before[k], bank.snapshot()[k]) for k in before if k != "last_ms")


def test_every_part_says_how_surprised_it_was() -> None:
    times, values = rows(5_000)
    values[-1] += 15.0
    bank = Bank(1)
    bank.update(times[:20], values[:20])
    assert all(np.isnan(v) for v in bank.spoke(0).values())
    bank.update(times[20:], values[20:])
    spoke = bank.spoke(0)
    assert {"step", "burst", "level", "drift"} <= set(spoke)
    assert min(spoke[name] for name in ("step", "burst", "level", "drift")) > 3.0


def test_a_given_step_is_used_and_a_wrong_one_refused() -> None:
    bank = Bank(1, step_s=15.0)
    bank.update(*rows(10))
    assert bank.snapshot()["step_s"][0] == 15.0
    with pytest.raises(ValueError, match="step_s must be > 0"):
        Bank(1, step_s=0.0)


def test_the_step_is_estimated_and_follows_a_lasting_change() -> None:
    gaps = np.r_[np.full(500, 15), 3_600, np.full(500, 15), np.full(500, 60)]
    times = np.cumsum(gaps) * 1_000
    values = np.zeros((len(times), 1))
    bank = Bank(1)
    bank.update(times[:900], values[:900])
    assert bank.snapshot()["step_s"][0] == pytest.approx(15.0, rel=0.02)
    bank.update(times[900:], values[900:])
    assert bank.snapshot()["step_s"][0] == pytest.approx(60.0, rel=0.02)


def test_a_constant_that_jumps_is_rare() -> None:
    times = np.arange(5_000, dtype=np.int64) * MINUTE_MS
    values = np.zeros((5_000, 1))
    values[4_000:] = 1.0
    said = Bank(1).update(times, values)
    assert said.rarity[4_000, 0] > 1.48
    assert (said.surprise[100:4_000] < 0.1).all()


def test_freeze_and_growth_are_checked() -> None:
    bank = Bank(2)
    times, values = rows(5)
    with pytest.raises(ValueError, match="freeze must be"):
        bank.update(times, np.tile(values, 2), np.array([True]))
    with pytest.raises(ValueError, match="n must be >= 2"):
        bank.grow(1)


def test_no_rows_are_no_verdicts() -> None:
    assert Bank(3).update(np.array([], np.int64), np.empty((0, 3))).rarity.shape == (0, 3)
    assert Bank().update(np.array([1]), np.empty((1, 0))).rarity.shape == (1, 0)


def test_a_snapshot_with_a_foreign_shape_or_without_an_array_is_refused() -> None:
    state = Bank(2).snapshot()
    with pytest.raises(ValueError, match="offset must be"):
        Bank().restore(state | {"offset": np.zeros((2, 1))})
    with pytest.raises(ValueError, match="lacks scale"):
        Bank().restore({k: v for k, v in state.items() if k != "scale"})


def test_followers_begin_equal_and_stay_nearly_so_on_plain_noise() -> None:
    times, values = rows(20_000)
    bank = Bank(1)
    assert set(bank.counts(0).values()) == {0.25}
    bank.update(times, values)
    counts = bank.counts(0)
    assert sum(counts.values()) == pytest.approx(1.0)
    assert all(0.24 < share < 0.26 for share in counts.values())


def test_a_follower_counts_less_where_it_is_seldom_but_far_off() -> None:
    times, values = rows(20_000)
    lost, wanders = values.copy(), values.copy()
    lost[::400] += 60.0  # a jump there and back: the last value is off twice each time, so more usually so
    steps = np.random.default_rng(2).choice([-40.0, 40.0], 20)
    wanders += np.repeat(np.cumsum(steps), 1_000)[:, None]  # off once for the last value, for long for the average
    shares = []
    for series in (lost, wanders):
        bank = Bank(1)
        bank.update(times, series)
        shares.append(bank.counts(0))
    assert shares[0]["step"] > 1.05 * shares[0]["drift"]
    assert shares[1]["drift"] > 1.01 * shares[1]["step"]


def test_weights_move_with_rows_that_are_learnt_only() -> None:
    times, values = rows(6_000)
    bank = Bank(1)
    bank.update(times[:4_000], values[:4_000])
    before = bank.counts(0)
    values[4_000:] += np.where(np.arange(2_000) % 50, 0.0, 80.0)[:, None]
    bank.update(times[4_000:5_000], values[4_000:5_000], np.array([True]))
    assert bank.counts(0) == before
    bank.update(times[5_000:], values[5_000:])
    assert bank.counts(0) != before
