"""Correlation with the symptom among services that are anomalous themselves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rca._base import Case, Ranking
from rca.correlation import correlation
from rca.facts import facts
from rca.peers._answer import answer, nothing
from rca.peers.deepest_callee import ANOMALOUS_MADS, mads
from rca.view import view

_CALM = 0.01  # what the correlation of a calm service counts


@dataclass(frozen=True, slots=True)
class Correlated:
    """Ranks services by |Pearson correlation| with the symptom, calm ones last."""

    def rank(self, case: Case) -> Ranking:
        """Rank by correlation; see `rca.Ranker`."""
        seen = view(case)
        if seen.is_blind:
            return nothing(seen)
        known = facts(seen)
        alike = correlation(known.hurt, known.hurt[:, seen.symptom])
        alike[seen.symptom] = 0.0
        return answer(seen, np.where(mads(known) > ANOMALOUS_MADS, alike, _CALM * alike), known.hurt_column)
