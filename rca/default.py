"""The default ranker: all evidence, fused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from rca._base import F64, Case, Ranking
from rca.changes import changes
from rca.colocation import colocation
from rca.facts import Facts, facts
from rca.fusion import fuse
from rca.learn import learnt_graph
from rca.load import incoming
from rca.measured_share import measured_share
from rca.onset import onset_order
from rca.opinion import Opinion, gate
from rca.per_request import skipped_calls
from rca.refused import refused
from rca.second_cause import second_cause
from rca.silence import silence
from rca.suspects import Trial, ranking
from rca.timeouts import timeouts
from rca.unseen import unseen
from rca.view import view, with_graph
from rca.witnesses import logs, moves_alike, network_gap, own_errors, own_families, own_share, own_time, traversal

Witness = Callable[[Facts], Opinion]
Advocate = Callable[[Facts], tuple[list[Opinion], F64]]

WITNESSES: dict[str, tuple[float, Witness]] = {
    "own share": (1.0, own_share),
    "traversal": (1.0, traversal),
    "correlation": (1.0, moves_alike),
    "own latency": (1.0, own_time),
    "own errors": (1.0, own_errors),
    "call gap": (1.0, network_gap),
    "cpu": (1.0, own_families("cpu", frozenset({"cpu", "throttling"}), "exhaustion")),
    "memory": (0.5, own_families("memory", frozenset({"memory"}), "exhaustion")),
    "saturation": (0.7, own_families("saturation", frozenset({"pool", "queue", "disk"}), "exhaustion")),
    "restarts": (0.5, own_families("restarts", frozenset({"restarts"}), "unknown")),
    "expiry": (0.7, own_families("expiry", frozenset({"expiry"}), "certificate or quota")),
    "logs": (1.0, logs),
    "measured share": (1.5, measured_share),
    "refused calls": (0.5, refused),
    "skipped calls": (0.7, skipped_calls),
    "traffic bytes": (0.15, own_families("traffic bytes", frozenset({"network"}), "network")),
}
"""Name of each piece of evidence, the most it can give, and itself. Caps are chosen: one for what points at an origin,
less for what is often only an effect."""

ADVOCATES: dict[str, tuple[float, Advocate]] = {
    "silence": (3.0, silence),
    "load": (3.0, incoming),
    "unseen dependency": (2.0, unseen),
    "timeouts": (1.0, timeouts),
    "onset order": (0.5, onset_order),
}
"""Evidence that speaks for one service and excuses others: what they suffer comes from it. Its caps are higher, for it
must outweigh all that its victims show, and each is guarded by several conditions."""

NODE_CAP = 3.0  # as silence: it must outweigh all that the services on the node show
CHANGE_CAP = 0.7  # below the cap of any single clear piece of evidence


@dataclass(frozen=True, slots=True)
class FusedRanker:
    """Ranks by all evidence together.

    Parameters
    ----------
    without : names of evidence to leave out, for ablations

    >>> from rca._base import F64, Case, ServiceGraph, Symptom
    >>> import numpy as np
    >>> nothing = Case("empty", np.zeros(0, "i8"), np.zeros(0, "?"), (), np.zeros((0, 0)),
    ...                ServiceGraph([("shop", "cart")]), Symptom("shop", "latency_p95", "latency"), 0, 60.0)
    >>> FusedRanker().rank(nothing).unknown
    True
    """

    without: frozenset[str] = frozenset()

    def rank(self, case: Case) -> Ranking:
        """Rank every service of the graph, the columns and the symptom; see `rca.Ranker`."""
        return ranking(self.hear(case))

    def hear(self, case: Case) -> Trial:
        """All that is said about the services of a case, and its sum: for explanations and ablations."""
        seen = view(case)
        if seen.is_blind:
            return Trial(seen, [], fuse([], [], 0.0, np.zeros(len(seen.services))))
        known = facts(seen)
        is_learnt = not len(seen.callers)
        if is_learnt:
            known = facts(with_graph(seen, learnt_graph(known)))
        opinions, caps, excused = self._hear(known)
        hurt = np.maximum(gate(known.latency.z_up), gate(known.errors.z_up))
        trial = Trial(known.seen, opinions, fuse(opinions, caps, known.switch, excused), is_learnt, hurt)
        # On a learnt chain everything leads to everything: nothing there is independent.
        if is_learnt or trial.is_unknown or "second cause" in self.without:
            return trial
        return replace(trial, second=second_cause(known, opinions, caps, excused, trial.order()[0]))

    def _hear(self, known: Facts) -> tuple[list[Opinion], list[float], F64]:
        """All opinions with their caps, and how far each service is excused by what others explain."""
        used = [(cap, witness) for name, (cap, witness) in WITNESSES.items() if name not in self.without]
        opinions = [witness(known) for _, witness in used]
        caps = [cap for cap, _ in used]
        excused = np.zeros(len(known.seen.services))
        for name, (cap, advocate) in ADVOCATES.items():
            if name not in self.without:
                found, excuse = advocate(known)
                opinions += found
                caps += [cap] * len(found)
                excused = np.maximum(excused, excuse)
        if "co-location" not in self.without:
            shared, taken = colocation(known)
            # What a lost node explains is no evidence against those who ran on it, not even their silence.
            opinions = [replace(o, gate=o.gate * (1.0 - taken)) for o in opinions] if taken.any() else opinions
            opinions += shared
            caps += [NODE_CAP] * len(shared)
            excused = np.maximum(excused, taken)
        if "change" not in self.without:
            odd = np.max([o.gate * (o.strength > 0) for o in opinions if not o.needs_symptom], axis=0, initial=0.0)
            opinions.append(changes(known.seen, odd))
            caps.append(CHANGE_CAP)
        return opinions, caps, excused
