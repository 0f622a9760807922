"""The joint opinion: odder together than ever, and by which signals."""

import subprocess
import sys

import numpy as np
import pytest

from detectors.forest import MAX_ROWS, MAX_SIGNALS, joint_opinion

NAMES = ["rate", "latency", "errors", "cpu"]


def usual(rows=240, seed=0):
    """Four signals of which the first three follow one load."""
    rng = np.random.default_rng(seed)
    load = rng.standard_normal((rows, 1))
    together = load + 0.1 * rng.standard_normal((rows, 3))
    return np.hstack([together, rng.standard_normal((rows, 1))])


def test_importing_detectors_imports_no_library_of_the_second_stage():
    code = (
        "import sys, detectors, detectors.forest, detectors.forecast;"
        "print(sorted({'sklearn', 'statsmodels', 'pandas'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_signals_that_part_are_odd_though_each_is_usual_on_its_own():
    opinion = joint_opinion(usual(), np.array([[2.0, 2.0, -2.0, 0.0]] * 3), NAMES)
    assert opinion.as_odd == 0
    assert opinion.leading[0][0] == "errors"
    assert opinion.text == "4 signals together are odder than in any of the 240 rows before, mainly errors"


def test_the_surprise_ends_at_the_floor_of_as_many_stretches_as_there_are():
    opinion = joint_opinion(usual(), np.full((6, 4), [9.0, -9.0, 9.0, -9.0]), NAMES)
    assert opinion.surprise == pytest.approx(np.log10((240 - 5) / 6 + 1))


def test_a_usual_row_is_called_so():
    opinion = joint_opinion(usual(), np.zeros((4, 4)), NAMES)
    assert opinion.surprise < 0.5
    assert opinion.text.startswith("4 signals together are not unusual: ")
    assert opinion.as_odd > 100


def test_a_surprise_of_one_comes_once_in_ten_ordinary_stretches():
    said = [joint_opinion(rows[:240], rows[240:], NAMES).surprise for rows in (usual(246, seed) for seed in range(20))]
    # Binomial(20, 0.1): 7 or more come once in 400 such tests, and the seeds are fixed.
    assert np.count_nonzero(np.array(said) >= 1.0) < 7


def test_the_shares_are_of_one_whole_and_highest_first():
    opinion = joint_opinion(usual(), np.array([[0.0, 0.0, 0.0, 8.0]]), NAMES)
    shares = [share for _, share in opinion.leading]
    assert opinion.leading[0] == ("cpu", pytest.approx(1.0, abs=0.2))
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) <= 1.0 + 1e-9


def test_a_signal_that_was_constant_is_heard_when_it_changes():
    normal = np.column_stack([usual(), np.zeros(240)])
    opinion = joint_opinion(normal, np.array([[0.0, 0.0, 0.0, 0.0, 0.3]] * 3), [*NAMES, "error_ratio"])
    assert (opinion.as_odd, opinion.leading[0][0]) == (0, "error_ratio")


def test_a_constant_that_stays_says_nothing():
    normal = np.column_stack([usual(), np.full(240, 5.0)])
    opinion = joint_opinion(normal, np.array([[0.0, 0.0, 0.0, 0.0, 5.0]] * 3), [*NAMES, "replicas"])
    assert opinion.surprise < 0.5


def test_missing_values_say_nothing_and_mostly_missing_signals_are_left_out():
    normal = usual()
    normal[::3, 0] = np.nan
    normal[5:, 3] = np.nan
    opinion = joint_opinion(normal, np.array([[np.nan, 0.0, np.nan, 99.0]]), NAMES)
    assert opinion.signals == 3
    assert opinion.surprise < 0.5


@pytest.mark.parametrize("wild", [np.inf, -np.inf, 1e308, -1e308, 5e-324])
def test_wild_values_give_a_finite_opinion_without_a_warning(wild):
    normal = usual()
    normal[3, 0] = normal[4, 1] = wild
    normal[:, 3] = np.where(np.arange(240) % 2, 1e308, -1e308)
    opinion = joint_opinion(normal, np.array([[wild, 0.0, 0.0, wild]]), NAMES)
    assert np.isfinite(opinion.surprise)


def test_a_signal_that_is_the_sum_of_others_does_no_harm():
    normal = usual()
    normal[:, 3] = normal[:, :3].sum(axis=1)
    assert np.isfinite(joint_opinion(normal, normal[:2], NAMES).surprise)


@pytest.mark.parametrize(
    ("normal", "abnormal", "why"),
    [
        (usual(29), usual(3), "only 29 normal rows"),
        (np.full((100, 4), np.nan), usual(3), "only 0 normal rows"),
        (usual(), np.full((3, 4), np.nan), "no values to judge"),
        (usual(), np.zeros((0, 4)), "no values to judge"),
        (np.where(np.arange(4) == 1, usual(), np.nan), usual(3), "only 1 signals with values"),
    ],
)
def test_too_little_gives_no_opinion_and_the_reason(normal, abnormal, why):
    opinion = joint_opinion(normal, abnormal, NAMES)
    assert np.isnan(opinion.surprise)
    assert opinion.text == f"no opinion: {why}"


@pytest.mark.parametrize("shape", [(3, 5), (3,)])
def test_shapes_that_do_not_fit_are_refused(shape):
    with pytest.raises(ValueError, match="must be rows x 4 names"):
        joint_opinion(usual(), np.zeros(shape), NAMES)


def test_the_cost_is_bounded_by_rows_and_signals():
    opinion = joint_opinion(np.tile(usual(900), (5, 20)), np.zeros((900, 80)), [f"s{i}" for i in range(80)])
    assert (opinion.rows, opinion.signals) == (MAX_ROWS, MAX_SIGNALS)


def test_the_same_rows_give_the_same_opinion_and_are_not_touched():
    normal, abnormal = usual(), usual(4, seed=1)
    copies = normal.copy(), abnormal.copy()
    assert joint_opinion(normal, abnormal, NAMES) == joint_opinion(normal, abnormal, NAMES)
    np.testing.assert_array_equal(normal, copies[0])
    np.testing.assert_array_equal(abnormal, copies[1])


def test_only_the_first_six_rows_count():
    late = np.vstack([np.zeros((6, 4)), np.full((3, 4), 50.0)])
    assert joint_opinion(usual(), late, NAMES) == joint_opinion(usual(), late[:6], NAMES)
