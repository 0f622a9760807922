"""Pages on noise over those promised, at one page in 30 days: light, heavy and whole-numbered tails, young and old.

On noise every page is false. The first two weeks of a series are counted apart, because a service that starts sees
nothing else. Where fewer than `FEW` pages are promised there is no goal: chance alone moves them by more than twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors import Bank, rarity_threshold
from detectors.pager import page_rows

F64 = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], F64]
DAY_S, YOUNG_DAYS, PER_DAY = 86_400, 14, 1 / 30
FEW = 4.5


def _zero_inflated(rng: np.random.Generator, n: int) -> F64:
    return np.where(rng.random(n) < 0.9, 0.0, 3.0 * rng.standard_normal(n) ** 2)


NOISES: dict[str, Draw] = {
    "gaussian": lambda rng, n: rng.standard_normal(n),
    "poisson_0.1": lambda rng, n: rng.poisson(0.1, n).astype(np.float64),
    "poisson_1": lambda rng, n: rng.poisson(1.0, n).astype(np.float64),
    "poisson_10": lambda rng, n: rng.poisson(10.0, n).astype(np.float64),
    "poisson_100": lambda rng, n: rng.poisson(100.0, n).astype(np.float64),
    "student_t3": lambda rng, n: rng.standard_t(3, n),
    "student_t2": lambda rng, n: rng.standard_t(2, n),
    "log_normal_1": lambda rng, n: rng.lognormal(0.0, 1.0, n),
    "log_normal_2": lambda rng, n: rng.lognormal(0.0, 2.0, n),
    "pareto_1.5": lambda rng, n: 1.0 + rng.pareto(1.5, n),
    "zero_inflated": _zero_inflated,
    "two_values": lambda rng, n: (rng.random(n) < 0.01).astype(np.float64),
}
"""Independent rows; the numbers are rates, degrees of freedom, sigmas, powers. `two_values` is 1 in one of 100 rows."""


class Plan(NamedTuple):
    """How many series of how many days, and how many more that end after the first two weeks."""

    step_s: int
    days: int
    series: int
    short: int


PLANS = (Plan(1, 90, 2, 4), Plan(15, 180, 4, 10), Plan(300, 180, 20, 20))


class Told(NamedTuple):
    """Pages and promised pages of one kind of noise at one step and age."""

    noise: str
    step_s: int
    age: str
    pages: int
    promised: float


def told(noise: str, plan: Plan, seed: int = 0) -> tuple[Told, Told]:
    """What the first two weeks page, and what the rest does."""
    rng, young, old = np.random.default_rng(seed), 0, 0
    for days in [plan.days] * plan.series + [YOUNG_DAYS] * plan.short:
        values = NOISES[noise](rng, days * DAY_S // plan.step_s)
        times = np.arange(len(values), dtype=np.int64) * (1_000 * plan.step_s)
        pages = times[page_rows(times, Bank(1).update(times, values[:, None]).rarity[:, 0], rarity_threshold(PER_DAY))]
        early = int((pages < YOUNG_DAYS * DAY_S * 1_000).sum())
        young, old = young + early, old + len(pages) - early
    weeks, rest = YOUNG_DAYS * (plan.series + plan.short), (plan.days - YOUNG_DAYS) * plan.series
    return (
        Told(noise, plan.step_s, "first 14 days", young, weeks * PER_DAY),
        Told(noise, plan.step_s, "later", old, rest * PER_DAY),
    )


def promise(plans: Iterable[Plan] = PLANS) -> list[Told]:
    """All kinds of noise at all steps; about two minutes."""
    plans = list(plans)
    return [one for noise in NOISES for plan in plans for one in told(noise, plan)]
