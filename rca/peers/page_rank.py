"""PageRank on the anomalous part of the graph, starting anew at services by their deviation.

Wu, Tordsson, Elmroth and Kao (2020), "MicroRCA: Root cause localization of performance issues in microservices",
section III-C, on services only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rca._base import Case, Ranking
from rca.facts import facts
from rca.peers._answer import answer, nothing
from rca.peers.deepest_callee import ANOMALOUS_MADS, mads
from rca.view import view

_GO_ON = 0.85
_ROUNDS = 60  # 0.85^60 is below 1e-4


@dataclass(frozen=True, slots=True)
class PageRank:
    """Ranks services of the anomalous subgraph by personalised PageRank."""

    def rank(self, case: Case) -> Ranking:
        """Rank by PageRank; see `rca.Ranker`."""
        seen = view(case)
        if seen.is_blind:
            return nothing(seen)
        known = facts(seen)
        size = np.minimum(mads(known), 1e6)
        odd = size > ANOMALOUS_MADS
        if not odd.any():
            return answer(seen, np.zeros(len(size)))
        keep = odd[seen.callers] & odd[seen.callees]
        callers, callees = seen.callers[keep], seen.callees[keep]
        out = np.bincount(callers, weights=size[callees], minlength=len(size))
        start = np.where(odd, size, 0.0) / np.sum(size[odd])
        rank = start.copy()
        for _ in range(_ROUNDS):
            moved = np.bincount(callees, weights=(rank[callers] * size[callees] / out[callers]), minlength=len(size))
            lost = float(np.sum(rank[out <= 0]))
            rank = (1.0 - _GO_ON) * start + _GO_ON * (moved + lost * start)
        return answer(seen, rank, known.hurt_column)
