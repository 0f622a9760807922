"""From one weight per service to a ranking, the same way for all peers."""

from __future__ import annotations

import numpy as np

from rca._base import F64, Ranking, Suspect
from rca.view import CaseView, Places


def answer(seen: CaseView, weight: F64, column: Places | None = None) -> Ranking:
    """Order services by weight, ties by name; confidences are shares of the sum, for peers are not calibrated."""
    weight = np.maximum(0.0, np.nan_to_num(weight, posinf=1e12))
    total = float(np.sum(weight))
    order = sorted(range(len(weight)), key=lambda s: (-weight[s], seen.services[s]))
    suspects = tuple(
        Suspect(
            service=seen.services[s],
            metric=None if column is None or column[s] < 0 else seen.columns[int(column[s])].metric,
            weight=float(weight[s]),
            confidence=float(weight[s]) / total if total > 0 else 0.0,
        )
        for s in order
    )
    return Ranking(suspects, is_nothing(weight))


def is_nothing(weight: F64) -> bool:
    """Whether no service has any weight."""
    return not bool(np.any(weight > 0))


def nothing(seen: CaseView) -> Ranking:
    """The ranking of a case with nothing to compare."""
    return answer(seen, np.zeros(len(seen.services)))
