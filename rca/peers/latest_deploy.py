"""The latest change before the trigger, deploys and config changes first: the reflex of every war room."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rca._base import Case, Ranking
from rca.peers._answer import answer
from rca.view import view

_LIKELY = frozenset({"deploy", "config"})
_HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class LatestDeploy:
    """Ranks services by how shortly before the trigger they were changed."""

    def rank(self, case: Case) -> Ranking:
        """Rank by the age of the latest change; see `rca.Ranker`."""
        seen = view(case)
        at = {service: place for place, service in enumerate(seen.services)}
        weight = np.zeros(len(seen.services))
        for change in case.changes:
            age_ms = case.trigger_ms - change.time_ms
            if change.service in at and age_ms >= 0:
                size = 1.0 / (1.0 + age_ms / _HOUR_MS) + (1.0 if change.kind in _LIKELY else 0.0)
                weight[at[change.service]] = max(weight[at[change.service]], size)
        ranking = answer(seen, weight)
        return replace(ranking, unknown=ranking.unknown or seen.has_no_values)
