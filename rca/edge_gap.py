"""Edge gap evidence: time lost between a caller's clock and the service's own."""

from __future__ import annotations

import numpy as np

from rca.deviation import quantile
from rca.direct import Direct
from rca.facts import Facts
from rca.opinion import level, scales

_REAL = 3.0  # scales; the largest loss among gaps at least this odd is the measure of the others


def edge_gap(known: Facts) -> Direct:
    """Deviation of the gaps that each service is to blame for, the mean over them."""
    found, size = known.gaps, len(known.seen.services)
    # What is lost counts once per call: a slow call made every second matters more than one made every minute.
    calls = quantile(known.series.requests, 0.5)[found.callee]
    typical = quantile(calls[:, None], 0.5)[0] if calls.size else 1.0
    loss = np.nan_to_num(found.rise * np.where(np.isfinite(calls), calls, np.nan_to_num(typical, nan=1.0)))
    largest = float(np.max(loss[found.z > _REAL], initial=0.0))
    column = np.full(size, -1, dtype=np.intp)
    if largest <= 0:
        return Direct(np.zeros(size), column)
    # A gap of microseconds can be many scales wide and still not matter beside one of seconds.
    strength = level(found.z) * np.sqrt(np.clip(loss / largest, 0.0, 1.0))
    total = np.bincount(found.blamed, weights=strength, minlength=size)
    count = np.bincount(found.blamed, minlength=size)
    order = np.argsort(strength, kind="stable")
    column[found.blamed[order]] = found.column[order]
    return Direct(scales(total / np.maximum(count, 1)), column)
