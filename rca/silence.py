"""Silence: a service that stopped reporting while its callers suffer has most likely crashed.

Missing samples are common and mostly harmless, so three things must come together: nearly all of the service's usual
columns are gone, somebody who calls it (or the symptom) hurts, and no caller is silent itself, for a service nobody
calls any more loses its request metrics too.
"""

from __future__ import annotations

import numpy as np

from rca._base import F64, Bools
from rca.facts import Facts
from rca.opinion import Opinion, gate

_USUAL = 0.3  # share of normal rows in which a resource metric must have values to be missed; chosen
_USUAL_REQUESTS = 0.8  # the same for request metrics, which come and go with the requests; chosen
_EXPECTED = 1.5  # values that should have come: with fewer, a gap is chance
_EXCUSED = 0.6  # most of a caller's evidence that a silent callee takes away; chosen
MOST = 0.75
"""Share of a service's usual columns that are gone when it counts as silent; chosen."""
_REQUEST_FAMILIES = frozenset({"latency", "errors", "availability", "traffic", "gap"})


def silence(known: Facts) -> tuple[list[Opinion], F64]:
    """Services that stopped reporting while others feel it, and how far that excuses those who call them, (s,)."""
    seen = known.seen
    share, count = lost_share(known)
    silent = share >= MOST
    no_silent_caller = np.ones(len(share), dtype=np.bool_)
    no_silent_caller[seen.callees[silent[seen.callers]]] = False
    strength = np.where(silent & no_silent_caller, share, 0.0) * felt_by_callers(known)

    def tell(s: int) -> str:
        return f"it stopped reporting: {round(share[s] * count[s])} of its {int(count[s])} metrics have no values"

    excused = np.zeros(len(share))
    np.maximum.at(excused, seen.callers, _EXCUSED * strength[seen.callees])
    excused[strength > 0] = 0.0
    column = np.full(len(share), -1, dtype=np.intp)
    return [Opinion("silence", strength, strength, column, tell, is_request=True)], excused


def lost_share(known: Facts) -> tuple[F64, F64]:
    """Share of each service's usual columns without any abnormal value, and their number.

    Resource metrics come whether or not there are requests; a service that has some is judged by them alone.
    """
    seen, size = known.seen, len(known.seen.services)
    before = np.mean(np.isfinite(seen.normal), axis=0)
    after = np.sum(np.isfinite(seen.abnormal), axis=0)
    request = seen.which(lambda what: what.family in _REQUEST_FAMILIES)
    usual = (
        (before >= np.where(request, _USUAL_REQUESTS, _USUAL))
        & (before * len(seen.abnormal) >= _EXPECTED)
        & (seen.peer < 0)
    )
    usual &= seen.which(lambda what: not what.is_host)
    shares, counts = [], []
    for chosen in (usual & ~request, usual & request):
        counts.append(np.bincount(seen.owner[chosen], minlength=size).astype(np.float64))
        lost = np.bincount(seen.owner[chosen & (after == 0)], minlength=size)
        shares.append(lost / np.maximum(counts[-1], 1.0))
    has_resources = counts[0] > 0
    return np.where(has_resources, shares[0], shares[1]), np.where(has_resources, counts[0], counts[1])


def felt_by_callers(known: Facts) -> F64:
    """How much somebody who calls the service suffers, (s,) in [0, 1]."""
    seen = known.seen
    hurt = np.maximum(gate(known.errors.z_up), gate(known.latency.z_up))
    for i in seen.places(lambda what: what.family in ("errors", "latency")):
        if seen.peer[i] >= 0:
            hurt[seen.owner[i]] = max(hurt[seen.owner[i]], float(gate(known.bad[i : i + 1])[0]))
    felt = np.zeros(len(hurt))
    np.maximum.at(felt, seen.callees, hurt[seen.callers])
    called: Bools = np.zeros(len(hurt), dtype=np.bool_)
    called[seen.callees] = True
    return np.where(called, felt, known.switch)
