"""Random walk with restart over calls, drawn to services that move as the symptom does, solved as a linear system.

Kim, Sumbaly and Shah (2013), "Root cause detection in a service-oriented architecture" (MonitorRank), equations 2 to 4:
forward steps to callees by their correlation, backward steps to callers with a factor, and a stay where nothing is
better.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rca._base import F64, Case, Ranking
from rca.correlation import correlation
from rca.facts import facts
from rca.peers._answer import answer, nothing
from rca.view import CaseView, view

_BACK = 0.3  # as published
_LEAST = 1e-3  # pull of a service that does not move with the symptom
_GO_ON = 0.85  # usual


@dataclass(frozen=True, slots=True)
class RandomWalk:
    """Ranks services by how often the walk is there."""

    def rank(self, case: Case) -> Ranking:
        """Rank by visits; see `rca.Ranker`."""
        seen = view(case)
        if seen.is_blind:
            return nothing(seen)
        known = facts(seen)
        alike = correlation(known.hurt, known.hurt[:, seen.symptom])
        if not alike.any():
            return nothing(seen)
        visits = walk(seen, alike + _LEAST)
        visits[seen.symptom] = 0.0  # the start is no answer
        return answer(seen, visits, known.hurt_column)


def walk(seen: CaseView, pull: F64) -> F64:
    """Share of time a walk from the symptom spends at each service, (s,)."""
    from scipy.sparse import csr_array, diags_array, eye_array
    from scipy.sparse.linalg import spsolve

    count = len(pull)
    tails = np.concatenate([seen.callers, seen.callees])
    heads = np.concatenate([seen.callees, seen.callers])
    size = np.concatenate([pull[seen.callees], _BACK * pull[seen.callers]])
    best = np.zeros(count)
    np.maximum.at(best, seen.callers, pull[seen.callees])
    places = np.arange(count)
    stay = np.maximum(0.0, pull - best)
    steps = csr_array(
        (np.concatenate([size, stay]), (np.concatenate([tails, places]), np.concatenate([heads, places]))),
        shape=(count, count),
    )
    out = np.asarray(steps.sum(axis=1)).ravel()
    steps = diags_array(1.0 / np.where(out > 0, out, 1.0)) @ steps
    start = np.zeros(count)
    start[seen.symptom] = 1.0 - _GO_ON
    system = (eye_array(count) - _GO_ON * steps.T).tocsc()
    found: F64 = np.maximum(0.0, np.asarray(spsolve(system, start)))
    return found
