"""Deepest anomalous callee: from the symptom along calls to anomalous callees, as far as it goes.

The plain rule of on-call engineers, and of the PetShop authors' "anomaly traversal" (Hardt et al., 2024): a service is
anomalous when its metric is more than five MADs from its median.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rca._base import F64, Case, Ranking
from rca.deviation import quantile
from rca.facts import Facts, facts
from rca.peers._answer import answer, nothing
from rca.view import reach, view

ANOMALOUS_MADS = 5.0  # as published


@dataclass(frozen=True, slots=True)
class DeepestCallee:
    """Ranks leaves of the walk first, then what it passed, each by deviation."""

    def rank(self, case: Case) -> Ranking:
        """Rank by the walk; see `rca.Ranker`."""
        seen = view(case)
        if seen.is_blind:
            return nothing(seen)
        known = facts(seen)
        size = mads(known)
        odd = size > ANOMALOUS_MADS
        odd[seen.symptom] = True
        keep = odd[seen.callers] & odd[seen.callees]
        passed = reach(len(odd), seen.callers[keep], seen.callees[keep], seen.symptom)
        inner = np.zeros(len(odd), dtype=np.bool_)
        inner[seen.callers[keep & passed[seen.callers]]] = True
        group = np.where(passed & ~inner, 2.0, np.where(passed, 1.0, 0.0))
        return answer(seen, np.where(size > 0, group + size / (1.0 + size), 0.0), known.hurt_column)


def mads(known: Facts) -> F64:
    """Largest distance of each service's abnormal values from its normal median, in 1.4826 MAD; 0 = unknown."""
    normal, abnormal = known.hurt[: known.series.split], known.hurt[known.series.split :]
    middle = quantile(normal, 0.5)
    mad = 1.4826 * quantile(np.abs(normal - middle), 0.5)
    away = np.max(np.nan_to_num(np.abs(abnormal - middle)), axis=0)
    return np.nan_to_num(np.where(mad > 0, away / np.where(mad > 0, mad, 1.0), np.where(away > 0, 10.0, 0.0)))
