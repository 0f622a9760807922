"""How far the choice of constants carries: choose on some series, look at the others.

A number of constants are drawn at random around none in particular, the same for everybody (`CANDIDATES`, seeded). Each
scores all series once. Then one is chosen by what it does on half of the series and shown on the other half, and by
what it does on all sets but one and shown on that set. The shipped constants take no part: they were chosen on all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from _page_metric import BUDGETS, F64, Curves, Labelled, curves
from numpy.typing import NDArray

from detectors import rarity_threshold
from detectors.constants import Constants

MONTH = rarity_threshold(1 / 30)
RANGES: dict[str, tuple[float, float]] = {
    "persistence": (1.2, 2.0),
    "ties_weight": (2.0, 7.0),
    "prior_days": (1.5, 6.0),
    "prior_pages": (50.0, 200.0),
    "prior_slope": (2.4, 3.8),
    "prior_step_power": (0.4, 0.8),
    "own_fade": (0.37, 0.64),
    "young_days": (0.5, 2.5),
    "noise_rows": (2.05, 2.9),
    "noise_power": (3.0, 12.0),
    "odder_power": (0.0, 1.2),
    "thin_slope": (3.0, 4.5),
}
PROMISE_WEIGHT = 3.0  # points of recall that a doubling beyond twice the promise is worth, chosen
Scorer = Callable[[Sequence[Labelled], Constants], list[F64]]
Seen = dict[str, Curves]


def candidates(count: int) -> list[Constants]:
    """Constants drawn evenly within RANGES."""
    rng = np.random.default_rng(11)
    return [Constants(**{name: float(rng.uniform(*span)) for name, span in RANGES.items()}) for _ in range(count)]


def look(data: dict[str, list[Labelled]], score: Scorer, grid: F64, count: int) -> list[Seen]:
    """What each candidate does on every series of every set."""
    return [
        {name: curves(series, score(series, constants), grid) for name, series in data.items()}
        for constants in candidates(count)
    ]


def merit(seen: Seen) -> float:
    """Mean recall at a week and at 30 days, less what the promise is missed by."""
    recalls = [one.best(BUDGETS[b])[0] for one in seen.values() if one.events.sum() for b in ("week", "30 d")]
    doublings = [abs(np.log2(max(one.over_promise(MONTH, 1 / 30), 1e-2))) for one in seen.values()]
    return float(np.mean(recalls)) - PROMISE_WEIGHT * float(np.sum(np.maximum(np.array(doublings) - 1.0, 0.0)))


def week(seen: Seen) -> float:
    """Mean R@1/week of the sets."""
    return float(np.mean([one.best(BUDGETS["week"])[0] for one in seen.values()]))


def halves(tried: list[Seen], sets: Sequence[str]) -> list[tuple[str, float, float]]:
    """Per half of the series: its name, R@1/week as chosen on it, and as chosen on the other half."""
    out = []
    for name, parity in (("even", 0), ("odd", 1)):
        here, there = ([_half(seen, sets, p) for seen in tried] for p in (parity, 1 - parity))
        own, other = (int(np.argmax([merit(seen) for seen in half])) for half in (here, there))
        out.append((name, week(here[own]), week(here[other])))
    return out


def _half(seen: Seen, sets: Sequence[str], parity: int) -> Seen:
    return {name: seen[name].some(_every_second(len(seen[name].events), parity)) for name in sets}


def _every_second(n: int, parity: int) -> NDArray[np.bool_]:
    return np.arange(n) % 2 == parity


def left_out(tried: list[Seen], name: str) -> Curves:
    """What the candidate chosen on all other sets does on this one."""
    chosen = int(np.argmax([merit({other: one for other, one in seen.items() if other != name}) for seen in tried]))
    return tried[chosen][name]
