"""Public contract checks: what every detector promises, as functions anybody can run on their own.

A check takes a factory, `make(n)` -> a fresh detector with n columns, and raises AssertionError with what was seen and
what was wanted.

>>> from detectors.absence import Absence
>>> check_all(Absence)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from itertools import pairwise
from typing import Protocol

import numpy as np

from detectors._base import F64, I64, Scores, State, Verdicts
from detectors._check_input import cases

STATE_LIMIT_BYTES = 1_024
STEP_MS = 60_000


class Scoring(Protocol):
    """A detector or the bank: both score rows and keep their memory in arrays."""

    def update(self, times: I64, values: F64) -> Scores | Verdicts:
        """Score, then learn."""
        ...

    def grow(self, n: int) -> None:
        """Make room."""
        ...

    def snapshot(self) -> State:
        """The memory."""
        ...

    def restore(self, state: State) -> None:
        """Take up a memory."""
        ...


Make = Callable[[int], Scoring]
"""Makes a fresh detector with n columns."""


def sample_rows(t: int, n: int, seed: int = 1) -> tuple[I64, F64]:
    """Plain data with everything a series may do: noise, a cycle, steps, spikes, ties, gaps, a late start."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((t, n)) + 5.0 * np.sin(np.arange(t) / 40.0)[:, None]
    values[:, ::2] = np.round(values[:, ::2])
    values[t // 2 :: 97] += 30.0
    values[2 * t // 3 :] += 4.0
    values[rng.random((t, n)) < 0.02] = np.nan
    values[: t // 5, -1] = np.nan
    times = 1_600_000_000_000 + np.cumsum(rng.choice([STEP_MS, STEP_MS, STEP_MS, 2 * STEP_MS], t)).astype(np.int64)
    return times, values


def _same(a: Scores | Verdicts, b: Scores | Verdicts, rows: slice, what: str, columns: slice = slice(None)) -> None:
    for field in fields(a):
        name = field.name
        one, other = getattr(a, name)[rows, columns], getattr(b, name)
        assert np.array_equal(one, other, equal_nan=True), f"{what} changes {name}"


def check_cutting_changes_nothing(make: Make) -> None:
    """Cutting the rows anywhere, through a snapshot, changes no score."""
    times, values = sample_rows(600, 3)
    whole = make(3).update(times, values)
    for cut in (1, 49, 300, 599):
        first = make(3)
        _same(whole, first.update(times[:cut], values[:cut]), slice(None, cut), f"cutting at {cut}")
        second = make(0)
        second.restore(first.snapshot())
        _same(whole, second.update(times[cut:], values[cut:]), slice(cut, None), f"cutting at {cut}")


def check_the_future_never_changes_the_past(make: Make) -> None:
    """Scores of a prefix are the same whatever follows."""
    times, values = sample_rows(600, 3)
    other = values.copy()
    other[400:] = -1e6
    past = make(3).update(times[:400], values[:400])
    for future in (values, other):
        _same(make(3).update(times, future), past, slice(None, 400), "the future")


def check_together_equals_one_by_one(make: Make) -> None:
    """Scoring n series together gives what scoring each alone gives."""
    times, values = sample_rows(400, 4)
    together = make(4).update(times, values)
    for i in range(4):
        _same(together, make(1).update(times, values[:, i : i + 1]), slice(None), "company", slice(i, i + 1))


def check_growing_keeps_the_old(make: Make) -> None:
    """New columns start cold and leave the old ones alone."""
    times, values = sample_rows(400, 3)
    alone = make(2).update(times, values[:, :2])
    grown = make(2)
    grown.update(times[:200], values[:200, :2])
    grown.grow(3)
    late = values.copy()
    late[:200, 2] = np.nan
    after = grown.update(times[200:], values[200:])
    _same(alone, _columns(after, 2), slice(200, None), "growing")
    _same(make(3).update(times, late), after, slice(200, None), "growing late")


def _columns(scores: Scores | Verdicts, n: int) -> Scores | Verdicts:
    return type(scores)(*(getattr(scores, field.name)[:, :n] for field in fields(scores)))


def check_bad_input_is_survived(make: Make) -> None:
    """Whatever metrics do on bad days gives no infinity, no warning, and the same scores however it is cut.

    The days are those of `detectors/_check_input.py`: runs of NaN, gaps, constants, 1e308, denormals, infinities, steps
    that change midway, series that appear and vanish. Empty blocks lie between the pieces.
    """
    for name, times, values in cases():
        with np.errstate(all="raise"):
            whole = make(3).update(times, values)
        pieces = make(3)
        for start, end in pairwise((0, 0, 1, 149, 149, 251, 301, len(times))):
            piece = pieces.update(times[start:end], values[start:end])
            _same(whole, piece, slice(start, end), f"{name}: cutting")
        for field in fields(whole):
            assert not np.isinf(getattr(whole, field.name)).any(), f"{name}: {field.name} is infinite"


def check_nothing_may_come(make: Make) -> None:
    """No rows and no columns are fine and give scores of that shape."""
    times, values = sample_rows(20, 3)
    assert make(3).update(times[:0], values[:0]).surprise.shape[0] == 0, "no rows must give no rows"
    nobody = make(0)
    assert nobody.update(times, values[:, :0]).surprise.shape == (20, 0), "no columns must give no columns"
    nobody.grow(3)
    assert nobody.update(times + 10**9, values).surprise.shape == (20, 3), "columns may come later"


def check_refused_rows_leave_no_trace(make: Make) -> None:
    """After times that repeat or go back were refused, all goes on as if they had never come."""
    times, values = sample_rows(300, 3)
    plain, tried = make(3), make(3)
    plain.update(times[:200], values[:200])
    tried.update(times[:200], values[:200])
    swapped = times[200:].copy()
    swapped[[50, 51]] = swapped[[51, 50]]
    repeated = np.repeat(times[200:250], 2)
    for name, bad in (("the last row again", times[199:299]), ("duplicates", repeated), ("reversed time", swapped)):
        _refused(lambda t=bad: tried.update(t, np.full((100, 3), 1e6)), name)  # type: ignore[misc]
    _same(plain.update(times[200:], values[200:]), tried.update(times[200:], values[200:]), slice(None), "refusing")


def check_inputs_are_left_alone(make: Make) -> None:
    """Times and values are not written to."""
    times, values = sample_rows(200, 2)
    before = times.copy(), values.copy()
    times.flags.writeable = values.flags.writeable = False
    make(2).update(times, values)
    assert np.array_equal(times, before[0]), "times changed"
    assert np.array_equal(values, before[1], equal_nan=True), "values changed"


def check_memory_is_bounded(make: Make) -> None:
    """A snapshot's size per series is below a KiB and does not grow with the rows."""
    times, values = sample_rows(2_000, 8)
    detector = make(8)
    detector.update(times[:100], values[:100])
    early = sum(array.nbytes for array in detector.snapshot().values())
    detector.update(times[100:], values[100:])
    late = sum(array.nbytes for array in detector.snapshot().values())
    assert early == late, f"snapshot grew from {early} to {late} bytes"
    assert late <= 8 * STATE_LIMIT_BYTES + 64, f"{late / 8:.0f} bytes a series, at most {STATE_LIMIT_BYTES}"


def check_bad_rows_are_refused(make: Make) -> None:
    """Wrong shapes, repeated and backward times and foreign snapshots raise ValueError; no rows are fine."""
    times, values = sample_rows(50, 2)
    detector = make(2)
    detector.update(times[:0], values[:0])
    detector.update(times, values)
    for bad_times, bad_values in (
        (times[1:] + 10**9, values),
        (times + 10**9, values[:, :1]),
        (times[::-1] + 10**9, values),
        (times, values),
    ):
        _refused(lambda t=bad_times, v=bad_values: detector.update(t, v), "bad rows")  # type: ignore[misc]
    foreign = detector.snapshot() | {"version": np.array(-1)}
    _refused(lambda: detector.restore(foreign), "a foreign snapshot")


def _refused(call: Callable[[], object], what: str) -> None:
    try:
        call()
    except ValueError:
        return
    raise AssertionError(f"{what} must raise ValueError")


CHECKS: tuple[Callable[[Make], None], ...] = (
    check_cutting_changes_nothing,
    check_the_future_never_changes_the_past,
    check_together_equals_one_by_one,
    check_growing_keeps_the_old,
    check_bad_input_is_survived,
    check_nothing_may_come,
    check_refused_rows_leave_no_trace,
    check_inputs_are_left_alone,
    check_memory_is_bounded,
    check_bad_rows_are_refused,
)
"""All checks that hold for any data; noise has a check of its own."""


NOISES: dict[str, Callable[[np.random.Generator, tuple[int, int]], F64]] = {
    "gaussian": lambda rng, shape: rng.standard_normal(shape),
    "student_t3": lambda rng, shape: rng.standard_t(3, shape),
    "poisson": lambda rng, shape: rng.poisson(0.5, shape).astype(np.float64),
    "log_normal": lambda rng, shape: rng.lognormal(0.0, 1.0, shape),
}
"""Plain noise with light and heavy, whole-numbered and one-sided tails."""


def surprise_shares(make: Make, noise: str, step_s: int, rows: int = 500_000, n: int = 6) -> dict[int, float]:
    """Share of rows of plain noise at surprise k or more over 10 ** -k, for k = 2 to 5; 1 is what the word promises."""
    values = NOISES[noise](np.random.default_rng(7), (rows, n))
    said = make(n).update(np.arange(rows, dtype=np.int64) * step_s * 1_000, values).surprise
    return {k: float((said >= k).mean()) * 10.0**k for k in (2, 3, 4, 5)}


def check_surprise_means_what_it_says(make: Make, noise: str, step_s: int, rows: int = 500_000) -> None:
    """On plain noise surprise k comes 10 ** -k of the time, within 3x, for k = 2 to 5.

    Only for detectors that judge values; one that judges absence is never surprised by noise.
    """
    for k, share in surprise_shares(make, noise, step_s, rows).items():
        assert 1 / 3 <= share <= 3.0, f"surprise {k} comes {share:.2f} times as often as it says on {noise} noise"


def check_all(make: Make) -> None:
    """Run every check. Raises AssertionError at the first that fails."""
    for check in CHECKS:
        check(make)
