import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import _constants_choice as choice
from _page_metric import Curves

SETS = ("one", "two")
GRID = np.array([0.0, choice.MONTH])


def seen(found: tuple[float, float], false: float = 1.0) -> dict[str, Curves]:
    """Two sets of four series of 30 days with ten events each; `found` in the even and in the odd ones."""
    each = np.tile(np.array(found)[[0, 1, 0, 1], None], (1, 2))
    one = Curves(GRID, each, np.full((4, 2), false), np.full(4, 10.0), np.full(4, 30.0))
    return dict.fromkeys(SETS, one)


def test_what_is_chosen_on_one_half_is_shown_on_the_other() -> None:
    tried = [seen((9.0, 1.0)), seen((2.0, 8.0))]
    assert choice.halves(tried, SETS) == [("even", 90.0, 20.0), ("odd", 80.0, 10.0)]


def test_a_set_that_is_left_out_has_no_say_in_the_choice() -> None:
    good, bad = seen((9.0, 9.0)), seen((3.0, 3.0))
    tried = [{"one": good["one"], "two": bad["two"]}, {"one": bad["one"], "two": good["two"]}]
    assert choice.left_out(tried, "one") is bad["one"]


def test_a_promise_missed_by_more_than_twice_costs_merit() -> None:
    kept, missed = choice.merit(seen((5.0, 5.0), false=2.0)), choice.merit(seen((5.0, 5.0), false=4.0))
    assert kept - missed == choice.PROMISE_WEIGHT * len(SETS)


def test_candidates_are_the_same_every_time_and_within_their_ranges() -> None:
    drawn = choice.candidates(5)
    assert drawn == choice.candidates(5)
    for name, (low, high) in choice.RANGES.items():
        assert all(low <= getattr(one, name) <= high for one in drawn)
