"""Regression on the graph: whose metric is no longer what its callees' metrics make of it.

The idea of Li et al. (2022), "Causal inference-based root cause analysis for online service systems with intervention
recognition" (CIRCA), section 4.3: each service is regressed on its callees over normal rows, and the residual of the
abnormal rows, in its own standard deviations, is the score. Linear with a small ridge; no descendant adjustment.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rca._base import F64, Case, Ranking
from rca.deviation import quantile
from rca.facts import Facts, facts
from rca.peers._answer import answer, nothing
from rca.view import Places, view

_RIDGE = 1e-3
_MOST_CALLEES = 20  # of a service; beyond that a regression on a few hundred rows says nothing
_MIN_ROWS = 10


@dataclass(frozen=True, slots=True)
class Regression:
    """Ranks services by the residual of a regression on their callees."""

    def rank(self, case: Case) -> Ranking:
        """Rank by residual; see `rca.Ranker`."""
        seen = view(case)
        if seen.is_blind:
            return nothing(seen)
        known = facts(seen)
        return answer(seen, residuals(known), known.hurt_column)


def residuals(known: Facts) -> F64:
    """Largest abnormal residual of each service in standard deviations of the normal ones, (s,); 0 = unknown."""
    seen, split = known.seen, known.series.split
    middle = quantile(known.hurt[:split], 0.5)
    series = np.where(np.isnan(known.hurt), middle, known.hurt)
    found = np.zeros(len(middle))
    for s in np.flatnonzero(np.isfinite(middle)):
        callees: Places = seen.callees[(seen.callers == s)]
        callees = callees[np.isfinite(middle[callees])][:_MOST_CALLEES]
        if split >= _MIN_ROWS:
            found[s] = _residual(series[:, callees], series[:, s], split)
    return found


def _residual(causes: F64, effect: F64, split: int) -> float:
    middle, size = np.mean(causes[:split], axis=0), np.std(causes[:split], axis=0)
    moves = size > 1e-9 * np.abs(middle)
    inputs = ((causes - middle) / np.where(moves, size, 1.0))[:, moves]
    away = effect - np.mean(effect[:split])
    normal = inputs[:split]
    weights = np.linalg.solve(normal.T @ normal + _RIDGE * split * np.eye(normal.shape[1]), normal.T @ away[:split])
    left = away - inputs @ weights
    spread = max(float(np.std(left[:split])), 1e-9 * float(np.max(np.abs(effect))), 1e-12)
    return float(np.max(np.abs(left[split:]))) / spread
