"""How far the choice of the joint constants carries: choose on half of the services, look at the other half.

A small grid around what ships is tried on all services once. The shipped pair is in it like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from _constants_choice import MONTH, PROMISE_WEIGHT
from _page_metric import BUDGETS, F64, Labelled, curves, point_f1

DISTANCE_WEIGHTS = (1.0, 1.5, 2.0, 3.0)
UNITS = (5.0, 6.0, 7.0, 8.0, 10.0)
Score = Callable[[Sequence[Labelled], float, float], list[F64]]


@dataclass(frozen=True, slots=True)
class JointSeen:
    """What a pair of constants does on some services: recall in percent, F1, false pages over promise."""

    day_recall: float
    f1: float
    over: float

    @property
    def merit(self) -> float:
        """Mean of both qualities, less what the promise is missed by beyond twice."""
        doublings = abs(np.log2(max(self.over, 1e-2)))
        return 0.5 * (self.day_recall + 100 * self.f1) - PROMISE_WEIGHT * max(doublings - 1.0, 0.0)


def joint_seen(series: Sequence[Labelled], scores: Sequence[F64], grid: F64) -> JointSeen:
    """Figures of some services."""
    recall = curves(series, scores).best(BUDGETS["day"])[0]
    over = curves(series, scores, grid).over_promise(MONTH, BUDGETS["30 d"])
    return JointSeen(recall, point_f1(series, scores), over)


def joint_halves(series: Sequence[Labelled], score: Score, grid: F64) -> Iterator[tuple[str, float, float, JointSeen]]:
    """Per half: its name, the weight and the unit chosen on the other half, and what they do here."""
    tried = {pair: score(series, *pair) for pair in product(DISTANCE_WEIGHTS, UNITS)}
    seen = [
        {pair: joint_seen(series[parity::2], scores[parity::2], grid) for pair, scores in tried.items()}
        for parity in (0, 1)
    ]
    for name, here, there in (("even", seen[0], seen[1]), ("odd", seen[1], seen[0])):
        chosen = max(there, key=lambda pair: there[pair].merit)
        yield name, *chosen, here[chosen]
