"""Fitting and judging a confidence: one logistic curve of the lead, and the expected calibration error."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np


def fitted(seen: Sequence[tuple[float, bool]]) -> Callable[[float], float]:
    """The curve of ln(1 + lead) that makes what was seen most likely, by Newton's method with a small ridge."""
    inputs = np.column_stack([np.ones(len(seen)), np.log1p([lead for lead, _ in seen])])
    right = np.array([float(r) for _, r in seen])
    weight = np.zeros(2)
    for _ in range(50):
        chance = 1.0 / (1.0 + np.exp(-inputs @ weight))
        slope = inputs.T @ (chance - right) + 0.01 * weight
        bend = (inputs.T * (chance * (1 - chance))) @ inputs + 0.01 * np.eye(2)
        weight -= np.linalg.solve(bend, slope)
    base, per_lead = float(weight[0]), float(weight[1])
    return lambda lead: float(1.0 / (1.0 + np.exp(-(base + per_lead * np.log1p(lead)))))


def calibration_error(told: Sequence[tuple[float, bool]], bins: int = 10) -> float:
    """Mean distance of what was promised from what came, over equal bins of the promise, by their share of cases.

    >>> calibration_error([(0.9, True)] * 9 + [(0.9, False)])
    0.0
    """
    sure = np.array([s for s, _ in told])
    right = np.array([float(r) for _, r in told])
    which = np.minimum((sure * bins).astype(int), bins - 1)
    error = sum(
        np.mean(which == b) * abs(np.mean(sure[which == b]) - np.mean(right[which == b])) for b in np.unique(which)
    )
    return round(float(error), 12)
