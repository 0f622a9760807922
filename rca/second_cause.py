"""A second cause beside the first: what is left when all that the first explains is taken away.

Trouble runs along calls, so whatever calls the first suspect or is called by it, over any number of calls, may show the
same trouble, and so may what shares a machine or a dependency with it that is itself suspected. What is left is judged
by its own evidence alone, as if the symptom were calm, by the same threshold that parts the known from the unknown. A
second cause must also be felt: its own requests go wrong, or those of somebody who calls it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rca._base import F64, Bools
from rca.colocation import tenants
from rca.confidence import KNOWN_WEIGHT
from rca.facts import Facts
from rca.fusion import fuse
from rca.opinion import Opinion
from rca.view import Places

_FELT = 0.5  # gate from which requests go wrong; chosen
_REQUEST_KINDS = frozenset({"own latency", "own errors", "call gap", "silence", "co-location", "logs"})

_NODE_KINDS = frozenset({"co-location", "shared dependency", "unseen dependency"})


def second_cause(known: Facts, opinions: Sequence[Opinion], caps: Sequence[float], excused: F64, first: int) -> int:
    """Place of an independent second cause, -1 = none.

    Parameters
    ----------
    opinions, caps, excused : as they were fused
    first : place of the first suspect
    """
    left = ~explained_by(known, opinions, first)
    direct = [i for i, opinion in enumerate(opinions) if not opinion.needs_symptom and opinion.kind != "change"]
    kept = [_only(opinions[i], left) for i in direct]
    weight = fuse(kept, [caps[i] for i in direct], 0.0, excused).weight
    clear = np.zeros(len(weight), dtype=np.bool_)
    for opinion in kept:
        if opinion.kind in _REQUEST_KINDS:
            clear |= (opinion.gate * (opinion.strength > 0)) >= _FELT
    is_felt = known.seen.reachable & (known.felt >= _FELT)
    possible = np.flatnonzero(left & clear & is_felt & (weight >= KNOWN_WEIGHT))
    return int(min(possible, key=lambda s: (-weight[s], s))) if len(possible) else -1


def explained_by(known: Facts, opinions: Sequence[Opinion], first: int) -> Bools:
    """What the first suspect may explain, itself included, (s,)."""
    seen, found = known.seen, tenants(known)
    on_it = found.node == first
    for opinion in opinions:
        if opinion.kind in _NODE_KINDS:
            on_it = on_it | (opinion.gate[found.node] > 0)
    start = np.zeros(len(seen.services), dtype=np.bool_)
    start[first] = True
    callers, callees = np.append(seen.callers, found.service[on_it]), np.append(seen.callees, found.node[on_it])
    below = _spread(start, callers, callees)
    nodes = np.zeros(len(start), dtype=np.bool_)
    nodes[found.node[on_it]] = True
    return below | _spread(start | (nodes & below), callees, callers)


def _spread(start: Bools, tails: Places, heads: Places) -> Bools:
    """All that can be reached from several places along tail -> head, these included."""
    found = start.copy()
    while True:
        before = int(np.sum(found))
        found[heads[found[tails]]] = True
        if int(np.sum(found)) == before:
            return found


def _only(opinion: Opinion, left: Bools) -> Opinion:
    return replace(opinion, strength=np.where(left, opinion.strength, 0.0))
