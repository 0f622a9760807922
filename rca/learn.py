"""Structure learnt from the metrics, for cases without any service graph.

Whoever suffers together with the symptom is most likely between it and the cause, and a caller's time holds its
callees': per request of the symptom a caller takes at least as long as what it calls. So the services that deviate as
the symptom does are put in order of their usual time per request of the symptom, longest first, and linked so.

Limits: a chain is the simplest structure that explains the data, not the true one; services that do not deviate stay
islands. It is only learnt when nothing better is known, and always marked as learnt.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from rca.deviation import quantile
from rca.facts import Facts
from rca.graph import ServiceGraph
from rca.opinion import gate
from rca.own_share import own_series

LEARNT_NOTE = "no service graph is known: the order of services was learnt from their metrics and may be wrong"
_ODD = 0.5  # gate of the deviation from which a service is taken to suffer


def learnt_graph(known: Facts) -> ServiceGraph:
    """A chain from the symptom through the services that deviate in the same kind of metric; islands otherwise."""
    seen = known.seen
    suffers = gate(known.hurt_z) >= _ODD
    suffers[seen.symptom] = False
    _, total = own_series(seen, known.series, known.series.latency)
    usual = np.nan_to_num(quantile(total[: known.series.split], 0.5))
    chain = sorted((int(s) for s in np.flatnonzero(suffers)), key=lambda s: (-usual[s], seen.services[s]))
    names = [seen.services[seen.symptom], *(seen.services[s] for s in chain)]
    return ServiceGraph(pairwise(names), seen.services)
