import numpy as np
import pytest

from detectors import Season
from detectors._season_bins import SLACK
from detectors._season_memory import pack, unpack
from detectors.season import reached

MINUTE_MS = 60_000
DAY_S = 86_400
MONDAY_S = 4 * DAY_S  # 5 January 1970
DAY = 1_440  # minutes


def noise(days, seed=1, level=50.0):
    """Minutes of plain noise from a Monday midnight on."""
    rng = np.random.default_rng(seed)
    return MONDAY_S * 1000 + MINUTE_MS * np.arange(days * DAY), rng.standard_normal(days * DAY) + level


def at(day, hour, minute=0):
    return day * DAY + hour * 60 + minute


def say(times, values, **options):
    return Season(1, **options).update(times, values[:, None])


def is_inside(said, values, row):
    return bool(said.lower[row, 0] <= values[row] <= said.upper[row, 0])


def nightly(days, on, height=100.0, hour=2, seed=1):
    times, values = noise(days, seed)
    for day in on:
        values[at(day, hour) : at(day, hour, 20)] += height
    return times, values


def test_no_opinion_before_two_days_were_seen():
    said = say(*noise(3))
    known = np.flatnonzero(np.isfinite(said.surprise[:, 0]))
    assert 2 * DAY <= known[0] <= 2 * DAY + 30
    assert np.isfinite(said.upper[known[0] :, 0]).all()


def test_what_came_on_three_days_is_usual_and_not_before():
    times, values = nightly(6, range(6))
    said = say(times, values)
    assert [is_inside(said, values, at(day, 2, 5)) for day in range(2, 6)] == [False, True, True, True]


def test_a_peak_is_usual_at_its_time_only_and_at_its_size_only():
    times, values = nightly(9, range(8))
    values[at(8, 2, 5)] += 250.0
    values[at(8, 2, 6)] += 100.0
    values[at(8, 12)] += 100.0
    said = say(times, values)
    assert not is_inside(said, values, at(8, 2, 5))
    assert is_inside(said, values, at(8, 2, 6))
    assert not is_inside(said, values, at(8, 12))
    assert said.surprise[at(8, 2, 6), 0] < 2.0
    assert said.surprise[at(8, 12), 0] > 4.0


def test_dips_are_learnt_like_peaks():
    times, values = nightly(6, range(6), height=-30.0)
    said = say(times, values)
    assert is_inside(said, values, at(4, 2, 5))
    assert not say(*nightly(6, [5], height=-30.0)).lower[at(5, 2, 5), 0] <= values[at(5, 2, 5)]


def test_one_incident_of_any_length_is_not_usual_the_days_after():
    times, values = noise(12)
    values[at(3, 9) : at(3, 15)] += 100.0
    for day in (4, 5, 9):
        values[at(day, 12, 10)] += 100.0
    said = say(times, values)
    assert not any(is_inside(said, values, at(day, 12, 10)) for day in (4, 5, 9))


def test_what_stops_is_forgotten_within_weeks():
    times, values = nightly(40, range(10))
    values[at(39, 2, 5)] += 100.0
    assert not is_inside(say(times, values), values, at(39, 2, 5))


def test_the_third_week_makes_a_weekly_peak_usual_on_its_weekday_only():
    times, values = nightly(35, [1, 8, 15, 22, 29])
    values[at(30, 2, 5)] += 100.0
    said = say(times, values)
    # One day before an opinion exists cannot be told apart, so the first Tuesday does not count.
    assert [is_inside(said, values, at(day, 2, 5)) for day in (8, 15, 22, 29)] == [False, False, False, True]
    assert not is_inside(said, values, at(30, 2, 5))


def test_a_weekly_peak_that_stops_coming_is_forgotten():
    times, values = nightly(85, [8, 15, 22, 78])
    assert not is_inside(say(times, values), values, at(78, 2, 5))


def test_weekends_have_a_shape_of_their_own():
    times, values = noise(28)
    day = np.arange(len(values)) // DAY % 7
    values[day < 5] += 40.0
    said = say(times, values)
    monday, sunday = at(21, 12), at(27, 12)
    assert said.expected[monday, 0] == pytest.approx(90.0, abs=2.0)
    assert said.expected[sunday, 0] == pytest.approx(50.0, abs=4.0)
    assert said.expected[at(5, 12), 0] == pytest.approx(90.0, abs=4.0)  # the first Saturday leans on the week before
    assert is_inside(said, values, monday)
    assert is_inside(said, values, sunday)


def test_a_new_habit_of_ordinary_days_is_usual_on_the_weekend_too():
    for height in (100.0, -30.0):
        times, values = nightly(13, range(7, 13), height=height)
        said = say(times, values)
        assert [is_inside(said, values, at(day, 2, 5)) for day in (7, 8, 12)] == [False, False, True]


def test_days_are_those_of_the_local_clock():
    east_s = 5.5 * 3600
    times, values = noise(28)
    local_day = (times // 1000 + int(east_s)) // DAY_S % 7
    values[~np.isin(local_day, (2, 3))] += 40.0
    monday_there = at(27, 20)  # Sunday 20:00 UTC is Monday half past one
    assert say(times, values, offset_s=east_s).expected[monday_there, 0] == pytest.approx(90.0, abs=2.0)
    assert say(times, values).expected[monday_there, 0] < 85.0


@pytest.mark.parametrize("step_s", [1, 15, 300, 1_200, 1_800, 3_600])
@pytest.mark.parametrize("told", [True, False])
def test_steps_from_a_second_to_an_hour_find_a_daily_peak(step_s, told):
    times = MONDAY_S * 1000 + 1000 * np.arange(0, 5 * DAY_S, step_s)
    hour = times // 3_600_000 % 24
    values = np.random.default_rng(1).standard_normal(len(times)) + 50.0 + 100.0 * (hour == 2)
    said = say(times, values, step_s=float(step_s) if told else None)
    last = slice(-DAY_S // step_s, None)
    inside = (said.lower[last, 0] <= values[last]) & (values[last] <= said.upper[last, 0])
    assert inside.mean() > 0.9
    assert inside[hour[last] == 2].mean() > 0.9
    assert np.isfinite(said.surprise[last]).all()


def test_a_step_that_changes_midway_keeps_what_was_learnt():
    times = np.concatenate([np.arange(0, 5 * DAY_S, 60), np.arange(5 * DAY_S, 9 * DAY_S, 3_600)])
    hour = times // 3_600 % 24
    values = np.random.default_rng(1).standard_normal(len(times)) + 50.0 + 100.0 * (hour == 2)
    said = say((times + MONDAY_S) * 1000, values)
    peaks = np.flatnonzero((times >= 5 * DAY_S) & (hour == 2))
    assert all(is_inside(said, values, row) for row in peaks)


def test_gaps_and_missing_values_teach_nothing():
    times, values = nightly(8, range(8))
    holes = values.copy()
    holes[at(4, 1) : at(5, 1)] = np.nan
    holes[at(5, 3)] = np.inf
    said = say(times, holes)
    assert np.isnan(said.surprise[at(4, 1) : at(5, 1)]).all()
    assert np.isnan(said.surprise[at(5, 3), 0])
    assert is_inside(said, values, at(5, 2, 5))


def test_times_of_day_never_seen_lean_on_the_whole_series():
    times, values = noise(6)
    kept = (np.arange(len(times)) % DAY < 1_200) | (np.arange(len(times)) >= 5 * DAY)
    said = say(times[kept], values[kept])
    assert said.expected[-1, 0] == pytest.approx(50.0, abs=2.0)
    assert said.upper[-1, 0] - said.lower[-1, 0] < 12.0


def test_a_level_far_from_the_first_value_is_told_as_finely():
    times, values = noise(8, level=1e6)
    values[0] = 0.0
    season = Season(1)
    said = season.update(times, values[:, None])
    assert season.snapshot()["centre"][0] == pytest.approx(1e6, rel=0.01)
    assert said.expected[-1, 0] == pytest.approx(1e6, rel=0.01)


def test_a_new_level_is_taken_up_within_weeks():
    times, values = noise(29)
    values[7 * DAY :] += 1_000.0
    said = say(times, values)
    assert is_inside(said, values, at(14, 12))
    assert said.expected[at(28, 12), 0] == pytest.approx(1_050.0, abs=60.0)


@pytest.mark.parametrize("odd", [1e308, -1e308, 5e-324])
def test_days_of_wild_values_stay_finite(odd):
    times, values = noise(6)
    values[at(2, 0) : at(4, 0)] = odd
    said = say(times, values)
    for part in (said.surprise, said.expected, said.lower, said.upper):
        assert np.isfinite(part[at(3, 0) :]).all()


@pytest.mark.parametrize("step_s", [15, 60, 300])
@pytest.mark.parametrize("shape", ["gaussian", "student", "poisson", "log-normal"])
def test_surprise_means_what_it_says_on_noise(step_s, shape):
    n = 200_000
    rng = np.random.default_rng(3)
    values = {
        "gaussian": lambda: rng.standard_normal(n),
        "student": lambda: rng.standard_t(3, n),
        "poisson": lambda: rng.poisson(0.5, n) * 1.0,
        "log-normal": lambda: rng.lognormal(0, 1, n),
    }[shape]()
    said = say(np.arange(n) * step_s * 1000, values, step_s=float(step_s)).surprise[n // 4 :, 0]
    for k in (3, 4):
        assert np.mean(said >= k) <= 3.0 * 10.0**-k
    if shape != "poisson":  # counts are lumpy: a share may fall between two values
        assert np.mean(said >= 3) >= 10.0**-3 / 3.0


def test_surprise_never_falls_as_a_value_moves_away():
    times, values = noise(4)
    season = Season(1)
    season.update(times, values[:, None])
    state = season.snapshot()
    heard = []
    for distance in np.linspace(0.0, 400.0, 200):
        again = Season()
        again.restore(state)
        heard.append(again.update(times[-1:] + MINUTE_MS, np.array([[50.0 + distance]])).surprise[0, 0])
    assert (np.diff(heard) >= -1e-9).all()


def test_a_million_rows_are_remembered_and_no_more():
    n = 2_100_000
    values = np.random.default_rng(1).standard_normal(n)
    season = Season(1, 1.0)
    season.update(np.arange(n) * 1000, values[:, None])
    assert season.snapshot()["counted"][0] < 2e6


def forgives(season, day, second, **options):
    time_ms = (MONDAY_S + day * DAY_S + second) * 1000
    return season.forgives(0, time_ms, **({"up": True, "inside": True} | options))


def test_a_deviation_is_forgiven_after_three_earlier_days():
    season = Season(1)
    assert [forgives(season, day, 7_200) for day in range(5)] == ["", "", "", "begins", "begins"]
    assert forgives(season, 4, 7_260) == "goes on"
    assert forgives(season, 5, 7_200, inside=False) == ""


def test_a_deviation_of_three_earlier_weeks_is_forgiven():
    season = Season(1)
    assert [forgives(season, 7 * week, 7_200) for week in range(5)] == ["", "", "", "begins", "begins"]


def test_the_other_way_and_another_time_are_strangers():
    season = Season(1)
    for day in range(4):
        forgives(season, day, 7_200)
    assert forgives(season, 4, 7_200, up=False) == ""
    assert forgives(season, 4, 43_200) == ""


def test_near_midnight_the_clock_is_a_circle():
    season = Season(1)
    for day in range(3):
        forgives(season, day, 86_340)
    assert forgives(season, 4, 60) == "begins"


def test_a_weekend_does_not_break_a_streak_and_a_longer_pause_does():
    season = Season(1)
    assert [forgives(season, day, 7_200) for day in (3, 4, 7, 8)][-1] == "begins"
    assert forgives(season, 12, 7_200) == ""


def test_what_goes_on_is_forgiven_until_an_hour_of_quiet():
    season = Season(1)
    for day in range(3):
        forgives(season, day, 7_200)
    assert [forgives(season, 3, 7_200 + 1_800 * k) for k in range(3)] == ["begins", "goes on", "goes on"]
    assert forgives(season, 3, 20_000) == ""


def test_many_strangers_do_not_push_out_a_streak():
    season = Season(1)
    for day in range(3):
        forgives(season, day, 7_200)
        for hour in range(6, 22, 3):
            forgives(season, day, 3_600 * hour + 400 * day * hour)
    assert forgives(season, 3, 7_200) == "begins"


def test_one_long_deviation_is_one_time_of_day():
    season = Season(1)
    for minute in range(300):
        forgives(season, 0, 36_000 + 60 * minute)
    assert np.count_nonzero(season.snapshot()["time_streak"]) == 1


def test_snapshots_keep_what_recurs():
    season = Season(1)
    for day in range(3):
        forgives(season, day, 7_200)
    again = Season()
    again.restore(season.snapshot())
    assert forgives(again, 3, 7_200) == "begins"


def test_codes_keep_three_digits_and_the_sign():
    for value in (0.0, 1.0, -3.14159, 1e-12, 2e20, -2e20):
        assert unpack(pack(value)) == pytest.approx(value, rel=0.004)


def test_the_range_that_was_reached_is_the_band_without_slack():
    low, high = reached(50.0 - SLACK, 50.0 + SLACK)
    assert (low, high) == pytest.approx((49.0, 51.0))


def test_memory_is_bounded_and_published():
    assert Season(3).state_bytes_per_series <= 470
    assert len(Season(3)) == 3


@pytest.mark.parametrize("options", [{"step_s": 0.0}, {"step_s": -1.0}, {"offset_s": 1e6}, {"offset_s": float("nan")}])
def test_settings_that_make_no_sense_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        Season(1, **options)


def test_shrinking_and_foreign_shapes_are_refused():
    with pytest.raises(ValueError, match="n must be >= 2"):
        Season(2).grow(1)
    with pytest.raises(ValueError, match="roof must be"):
        Season().restore(Season(2).snapshot() | {"roof": np.zeros((2, 1), np.uint16)})
