"""Counts in 16 bits, and the quiet time in buckets."""

import numpy as np
import pytest
from numba import njit

from detectors import DETECTORS
from detectors._buckets import active_marks, pass_time
from detectors._codes import code_of, count_of
from detectors._memory import Memory, empty

QUIET_S = 3_600.0


def test_codes_keep_three_digits_of_a_count() -> None:
    for count in (0.0, 1e-3, 0.3, 1.0, 7.5, 1_439.0, 300_000.0):
        assert count_of(code_of(count)) == pytest.approx(count, rel=3e-4)


def test_counts_outside_the_codes_stay_at_their_border() -> None:
    assert count_of(code_of(1e-9)) == 0.0
    assert count_of(code_of(1e9)) == count_of(65_535) > 5e5


def test_counting_pages_one_by_one_loses_none_up_to_a_thousand() -> None:
    code = 0
    for _ in range(1_000):
        code = code_of(count_of(code) + 1.0)
    assert count_of(code) == 1_000.0


@njit
def _active_after(memory: Memory, gap_s: float) -> int:
    pass_time(memory[0], gap_s)
    return active_marks(memory[0])


@pytest.mark.parametrize("gap_s", [1.0, 60.0, 450.0])
def test_a_mark_stays_active_for_the_quiet_time_and_at_most_an_eighth_of_it_longer(gap_s: float) -> None:
    memory = empty(1)
    memory["step_s"], memory["seen"][0, 0] = gap_s, 5
    passed = gap_s
    while _active_after(memory, gap_s) == 5:
        passed += gap_s
    assert QUIET_S <= passed <= 9 / 8 * QUIET_S + gap_s


def test_a_long_gap_ends_every_alert() -> None:
    memory = empty(1)
    memory["step_s"], memory["seen"][0, 0], memory["peak"] = 60.0, 5, 1.0
    assert _active_after(memory, 1e9) == 0
    assert (memory["peak"] < 0.0).all()


def test_the_default_detectors_together_need_less_than_a_kibibyte_a_series() -> None:
    assert sum(DETECTORS[part](1).state_bytes_per_series for part in ("bank", "season", "absence")) <= 1_024
    assert np.unique(empty(2)["growth"]).tolist() == [1.0]
