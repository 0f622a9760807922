"""The default ranker: all evidence, fused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rca._base import Case, Ranking
from rca.changes import changes
from rca.facts import Facts, facts
from rca.fusion import fuse
from rca.learn import LEARNT_NOTE, learnt_graph
from rca.load import load, retry_opinion, surge_opinion
from rca.measured_share import measured_share
from rca.opinion import Opinion
from rca.per_request import skipped_calls
from rca.silence import silence
from rca.suspects import Trial, ranking
from rca.unseen import unseen, unseen_opinion
from rca.view import view, with_graph
from rca.witnesses import logs, moves_alike, network_gap, own_errors, own_families, own_share, own_time, traversal

Witness = Callable[[Facts], Opinion]

WITNESSES: dict[str, tuple[float, Witness]] = {
    "own share": (1.0, own_share),
    "traversal": (1.0, traversal),
    "correlation": (1.0, moves_alike),
    "own latency": (1.0, own_time),
    "own errors": (1.0, own_errors),
    "call gap": (1.0, network_gap),
    "silence": (3.0, silence),
    "cpu": (1.0, own_families("cpu", frozenset({"cpu", "throttling"}), "exhaustion")),
    "memory": (0.5, own_families("memory", frozenset({"memory"}), "exhaustion")),
    "saturation": (0.7, own_families("saturation", frozenset({"pool", "queue", "disk"}), "exhaustion")),
    "restarts": (0.5, own_families("restarts", frozenset({"restarts"}), "unknown")),
    "logs": (1.0, logs),
    "measured share": (1.5, measured_share),
    "skipped calls": (0.7, skipped_calls),
    "traffic bytes": (0.15, own_families("traffic bytes", frozenset({"network"}), "network")),
}
"""Name of each piece of evidence, the most it can give, and itself. Caps are chosen: one for what points at an origin,
less for what is often only an effect. Silence is the exception: three conditions guard it, and what a dead service
would have said is missing from all other evidence."""

SURGE_CAP, RETRY_CAP, UNSEEN_CAP = 3.0, 1.5, 2.0
CHANGE_CAP = 0.7  # below the cap of any single clear piece of evidence


@dataclass(frozen=True, slots=True)
class FusedRanker:
    """Ranks by all evidence together.

    Parameters
    ----------
    without : names of evidence to leave out, for ablations

    >>> from rca._base import Case, ServiceGraph, Symptom
    >>> import numpy as np
    >>> nothing = Case("empty", np.zeros(0, "i8"), np.zeros(0, "?"), (), np.zeros((0, 0)),
    ...                ServiceGraph([("shop", "cart")]), Symptom("shop", "latency_p95", "latency"), 0, 60.0)
    >>> FusedRanker().rank(nothing).unknown
    True
    """

    without: frozenset[str] = frozenset()

    def rank(self, case: Case) -> Ranking:
        """Rank every service of the graph, the columns and the symptom; see `rca.Ranker`."""
        seen = view(case)
        if seen.is_blind:
            note = "there are no normal or no abnormal values to compare"
            return ranking(Trial(seen, [], fuse([], [], 0.0, np.zeros(len(seen.services)))), (note,))
        known = facts(seen)
        notes: tuple[str, ...] = ()
        if not len(seen.callers):
            known, notes = facts(with_graph(seen, learnt_graph(known))), (LEARNT_NOTE,)
            seen = known.seen
        used = [(cap, witness) for name, (cap, witness) in WITNESSES.items() if name not in self.without]
        opinions = [witness(known) for _, witness in used]
        caps = [cap for cap, _ in used]
        excused = np.zeros(len(seen.services))
        if "load" not in self.without:
            found = load(known)
            excused = found.excused
            opinions += [surge_opinion(known, found), retry_opinion(known, found)]
            caps += [SURGE_CAP, RETRY_CAP]
        if "unseen dependency" not in self.without:
            hidden = unseen(known)
            excused = np.maximum(excused, hidden.excused)
            opinions.append(unseen_opinion(hidden))
            caps.append(UNSEEN_CAP)
        if "change" not in self.without:
            odd = np.max([o.gate * (o.strength > 0) for o in opinions if not o.needs_symptom], axis=0, initial=0.0)
            opinions.append(changes(seen, odd))
            caps.append(CHANGE_CAP)
        return ranking(Trial(seen, opinions, fuse(opinions, caps, known.switch, excused)), notes)
