from collections.abc import Callable
from dataclasses import fields

import numpy as np
import pytest

from detectors import DETECTORS, Bank, Light, Scores, Verdicts
from detectors._base import State
from detectors.absence import Absence
from detectors.checks import (
    CHECKS,
    NOISES,
    Make,
    check_all,
    check_bad_input_is_survived,
    check_refused_rows_leave_no_trace,
    check_surprise_means_what_it_says,
    sample_rows,
)
from detectors.season import Season


@pytest.mark.parametrize("name", sorted(DETECTORS))
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_every_registered_detector_keeps_the_contract(name: str, check: Callable[[Make], None]) -> None:
    check(DETECTORS[name])


class Forgetful(Bank):
    def snapshot(self) -> State:
        return Bank(len(self)).snapshot()


class Prophet(Bank):
    def update(self, times: np.ndarray, values: np.ndarray, freeze: np.ndarray | None = None) -> Scores:  # type: ignore[override]
        said = super().update(times, values, freeze)
        last = np.full(values.shape, values[-1].sum() if len(values) else 0.0)
        return Scores(said.surprise + last, last, last, last)


class Infinite(Bank):
    def update(self, times: np.ndarray, values: np.ndarray, freeze: np.ndarray | None = None) -> Scores:  # type: ignore[override]
        said = super().update(times, values, freeze)
        return Scores(np.full(values.shape, np.inf), said.expected, said.lower, said.upper)


class Credulous(Bank):
    def update(self, times: np.ndarray, *_: object) -> Scores:  # type: ignore[override]
        out = np.zeros((len(times), len(self)))
        return Scores(out, out, out, out)


class Vandal(Bank):
    def update(self, times: np.ndarray, values: np.ndarray, freeze: np.ndarray | None = None) -> Verdicts:
        said = super().update(times, values, freeze)
        values[:] = 0.0
        return said


class Hoarder(Bank):
    def snapshot(self) -> State:
        return super().snapshot() | {"hoard": np.zeros(int(self._memory["rows"].sum()))}


class Unwary(Bank):
    """Counts the rows it is given before it looks at them."""

    seen = 0

    def update(self, times: np.ndarray, values: np.ndarray, freeze: np.ndarray | None = None) -> Scores:  # type: ignore[override]
        self.seen += len(times)
        said = super().update(times, values, freeze)
        return Scores(said.surprise + self.seen - len(times), said.expected, said.lower, said.upper)


def test_a_detector_that_minds_empty_blocks_or_refused_rows_is_caught() -> None:
    with pytest.raises(AssertionError, match="a run of NaN in the middle: cutting changes surprise"):
        check_bad_input_is_survived(Unwary)
    with pytest.raises(AssertionError, match="refusing changes surprise"):
        check_refused_rows_leave_no_trace(Unwary)


def test_an_infinity_is_named_by_the_input_that_brought_it() -> None:
    with pytest.raises(AssertionError, match="a run of NaN in the middle: surprise is infinite"):
        check_bad_input_is_survived(Infinite)


@pytest.mark.parametrize("broken", [Forgetful, Prophet, Infinite, Credulous, Vandal, Hoarder])
def test_a_broken_detector_is_caught(broken: type) -> None:
    with pytest.raises((AssertionError, ValueError)):
        check_all(broken)


@pytest.mark.parametrize("step_s", [1, 15, 300])
@pytest.mark.parametrize("noise", sorted(NOISES))
@pytest.mark.parametrize("make", [Bank, Light])
def test_surprise_is_the_share_of_rows_on_plain_noise(make: Make, noise: str, step_s: int) -> None:
    check_surprise_means_what_it_says(make, noise, step_s)


def test_a_detector_that_is_never_surprised_is_caught() -> None:
    with pytest.raises(AssertionError, match=r"surprise 2 comes 0\.00 times as often"):
        check_surprise_means_what_it_says(Credulous, "gaussian", 15, rows=1_000)


@pytest.mark.parametrize("make", [lambda n: Bank(n, 600.0), Absence, lambda n: Season(n, 600.0)])
def test_a_forgotten_column_scores_as_one_that_nothing_was_seen_of(make: Make) -> None:
    minutes, values = sample_rows(600, 3)
    times = 10 * minutes  # the season has an opinion after days
    late = values.copy()
    late[:300, 1] = np.nan
    one, other = make(3), make(3)
    one.update(times[:300], values[:300])
    one.forget(np.array([1]))  # type: ignore[attr-defined]
    other.update(times[:300], late[:300])
    said, wanted = one.update(times[300:], values[300:]), other.update(times[300:], late[300:])
    assert np.isfinite(wanted.surprise[:, 1]).any()
    for field in fields(said):
        np.testing.assert_array_equal(getattr(said, field.name), getattr(wanted, field.name), err_msg=field.name)
