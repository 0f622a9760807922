import numpy as np
import pytest

from tests.benchmarks._nab_score import nab_score

WINDOWS = [np.array([[400, 449], [700, 749]]), np.empty((0, 2), np.int64)]


def files(*rows):
    """Two files of a thousand rows; these rows of the first one stand out."""
    scores = [np.zeros(1_000), np.zeros(1_000)]
    scores[0][list(rows)] = 1.0
    return scores


def test_every_window_at_its_first_row_is_100_and_silence_is_0():
    assert nab_score(files(400, 700), WINDOWS, "standard") == pytest.approx(100.0)
    assert nab_score(files(), WINDOWS, "standard") == 0.0


def test_a_window_counts_once_and_less_the_later_it_is_found():
    assert nab_score(files(400, 401, 420), WINDOWS, "standard") == pytest.approx(50.0)
    late = nab_score(files(445), WINDOWS, "standard")
    # half of the range for no longer missing it, and a tenth of the window before its end: sigmoid(-0.1) of sigmoid(-1)
    assert late == pytest.approx(25.0 + 25.0 * np.tanh(0.25) / np.tanh(2.5))


@pytest.mark.parametrize(("profile", "cost"), [("standard", 0.11), ("low FP", 0.22)])
def test_a_false_detection_costs_its_weight_and_less_right_after_a_window(profile, cost):
    assert nab_score(files(400, 700, 200), WINDOWS, profile) == pytest.approx(100.0 - 25.0 * cost)
    soon = nab_score(files(400, 700, 450), WINDOWS, profile)
    assert soon == pytest.approx(100.0 - 25.0 * cost * np.tanh(2.5 / 49))


def test_rows_in_the_first_part_of_a_file_do_not_count():
    assert nab_score(files(400, 700, 100), WINDOWS, "standard") == pytest.approx(100.0)
