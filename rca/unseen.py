"""Unseen dependencies: databases and queues whose requests nobody measures, only their machines.

Their slowness looks like their callers' own. Where such a service is odd in its resources and those who call it suffer,
it takes over the blame from callers whose own resources are calm.
"""

from __future__ import annotations

import numpy as np

from rca._base import F64
from rca.direct import family_columns, joined
from rca.facts import Facts
from rca.opinion import Opinion, gate

RESOURCES = frozenset({"cpu", "throttling", "memory", "pool", "queue", "disk", "restarts"})
"""Families of metrics that tell about the machine and not about requests."""
_SUMMED = frozenset({"cpu", "throttling", "memory"})
_SAID = "nobody measures its requests, but it is odd otherwise and its callers suffer"
_EXCUSED = 0.6  # most of a caller's evidence that an odd dependency takes away; chosen


def unseen(known: Facts) -> tuple[list[Opinion], F64]:
    """Odd dependencies whose requests nobody measures, and how far they excuse those who call them, (s,)."""
    seen = known.seen
    found = joined(seen, family_columns(seen, RESOURCES), known.bad)
    hurt, other = (known.latency, known.errors) if known.hurts == "latency" else (known.errors, known.latency)
    odd = np.maximum(gate(found.z), gate(other.z_up))
    is_measured = np.isfinite(hurt.scale)
    suffers = gate(hurt.z_up)
    callers, callees = seen.callers, seen.callees
    felt = np.zeros(len(odd))
    np.maximum.at(felt, callees, (suffers * (1.0 - busy(known)))[callers])
    strength = np.where(is_measured, 0.0, odd * felt)
    excused = np.zeros(len(odd))
    np.maximum.at(excused, callers, strength[callees])
    excused *= _EXCUSED * np.where(is_measured, 1.0 - odd, 0.0)
    return [Opinion("unseen dependency", strength, strength, found.column, lambda _: _SAID, is_request=True)], excused


def busy(known: Facts) -> F64:
    """How far each service uses more of what a machine shows as the sum of all on it, (s,) in [0, 1].

    Who works hard itself makes its machine look odd; it is no witness against the machine.
    """
    return gate(joined(known.seen, family_columns(known.seen, _SUMMED), known.bad).z)
