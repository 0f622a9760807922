"""Unseen dependencies: databases and queues whose requests nobody measures, only their machines.

Their slowness looks like their callers' own. Where such a service is odd in its resources and those who call it suffer,
it takes over the blame from callers whose own resources are calm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rca._base import F64
from rca.direct import family_columns, joined
from rca.facts import Facts
from rca.opinion import Opinion, gate
from rca.view import Places

_RESOURCES = frozenset({"cpu", "throttling", "memory", "pool", "queue", "disk", "restarts"})
_EXCUSED = 0.6  # most of a caller's evidence that an odd dependency takes away; chosen


@dataclass(frozen=True, slots=True)
class Unseen:
    """What unseen dependencies explain.

    Parameters
    ----------
    strength : (s,) in [0, 1], odd in its resources and its callers suffer; 0 for services whose requests are measured
    excused : (s,) in [0, 1], share of a caller's evidence that it takes away
    column : (s,) the column that shows the oddness
    """

    strength: F64
    excused: F64
    column: Places


def unseen(known: Facts) -> Unseen:
    """Find odd dependencies whose requests nobody measures."""
    seen = known.seen
    found = joined(seen, family_columns(seen, _RESOURCES), known.bad)
    hurt, other = (known.latency, known.errors) if known.hurts == "latency" else (known.errors, known.latency)
    odd = np.maximum(gate(found.z), gate(other.z_up))
    is_measured = np.isfinite(hurt.scale)
    suffers = gate(hurt.z_up)
    callers, callees = seen.callers, seen.callees
    felt = np.zeros(len(odd))
    np.maximum.at(felt, callees, suffers[callers])
    strength = np.where(is_measured, 0.0, odd * felt)
    excused = np.zeros(len(odd))
    np.maximum.at(excused, callers, strength[callees])
    return Unseen(strength, _EXCUSED * excused * np.where(is_measured, 1.0 - odd, 0.0), found.column)


def unseen_opinion(found: Unseen) -> Opinion:
    """Odd dependencies that their callers suffer from."""
    text = {int(s): "nobody measures its requests, but its resources are odd and its callers suffer"
            for s in np.flatnonzero(found.strength > 0)}  # fmt: skip
    return Opinion("unseen dependency", found.strength, found.strength, found.column, text, is_request=True)
