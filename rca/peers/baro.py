"""BARO's robust scorer, two-sided: the largest distance from the normal median in units of the normal spread.

Pham, Ha and Zhang (2024), "BARO: Robust root cause analysis for microservices", section 4.3, without its change-point
detection: the abnormal rows are given.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rca._base import Case, Ranking
from rca.deviation import quantile
from rca.peers._answer import answer, nothing
from rca.view import view


@dataclass(frozen=True, slots=True)
class Baro:
    """Ranks services by their most deviating metric, whatever it is."""

    def rank(self, case: Case) -> Ranking:
        """Rank by max |x - median| / IQR; see `rca.Ranker`."""
        seen = view(case)
        if seen.is_blind:
            return nothing(seen)
        middle = quantile(seen.normal, 0.5)
        spread = quantile(seen.normal, 0.75) - quantile(seen.normal, 0.25)
        away = np.abs(seen.abnormal - middle) / np.where(spread > 0, spread, 1.0)
        score = np.max(np.nan_to_num(away), axis=0)
        weight, column = np.zeros(len(seen.services)), np.full(len(seen.services), -1, dtype=np.intp)
        order = np.argsort(score, kind="stable")
        for place in (seen.owner, np.where(seen.peer >= 0, seen.peer, seen.owner)):
            np.maximum.at(weight, place, score)
            column[place[order]] = order
        return answer(seen, weight, column)
