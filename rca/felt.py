"""Felt: whether anybody notices what a service does.

A machine that works hard without its requests getting slower or failing runs a background job; it is not the cause of
what users suffer. Where the requests of a service are measured, by itself or by its callers, resource evidence counts
as far as they deviate too.
"""

from __future__ import annotations

import numpy as np

from rca._base import F64
from rca.deviation import Deviation
from rca.opinion import gate
from rca.view import CaseView

UNFELT = 0.2  # of resource evidence that is left when nobody notices; chosen, 0 to 0.7 do nearly as well


def felt(seen: CaseView, bad: F64, latency: Deviation, errors: Deviation) -> F64:
    """How far each service's requests deviate, (s,) in [0, 1]; 1 where nobody measures them."""
    z = np.full(len(seen.services), np.nan)
    for series in (latency.z_up, errors.z_up):
        z = np.fmax(z, series)
    for i in seen.places(lambda what: what.family in ("latency", "errors", "gap")):
        what = seen.meanings[i]
        if what.is_own or what.side == "server" or seen.peer[i] >= 0:
            place = int(seen.peer[i] if seen.peer[i] >= 0 else seen.owner[i])
            z[place] = np.fmax(z[place], bad[i])
    return np.where(np.isnan(z), 1.0, gate(z))
