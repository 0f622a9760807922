"""Edge gap: a caller's time for a call minus the callee's own is spent between them: network, proxies, pools.

Taken from a metric that is a gap already, else from client-side and server-side latency of one call, else from the
client-side latency of a call and the callee's latency.
"""

from __future__ import annotations

import numpy as np

from rca._base import F64
from rca.deviation import deviation
from rca.direct import Direct
from rca.facts import Facts
from rca.opinion import level, scales
from rca.view import Places

_REAL = 3.0  # scales; the largest rise among gaps at least this odd is the measure of the others


def edge_gap(known: Facts) -> Direct:
    """Deviation of the gap towards each service, the mean over its callers."""
    seen = known.seen
    columns, z, rise = _gaps(known)
    callee = np.where(seen.peer[columns] >= 0, seen.peer[columns], seen.owner[columns])
    largest = float(np.max(rise[z > _REAL], initial=0.0))
    if largest <= 0:
        return Direct(np.zeros(len(seen.services)), np.full(len(seen.services), -1, dtype=np.intp))
    # A gap of microseconds can be many scales wide and still not matter beside one of seconds.
    strength = level(z) * np.sqrt(np.clip(rise / largest, 0.0, 1.0))
    total = np.bincount(callee, weights=strength, minlength=len(seen.services))
    count = np.bincount(callee, minlength=len(seen.services))
    column = np.full(len(seen.services), -1, dtype=np.intp)
    order = np.argsort(strength, kind="stable")
    column[callee[order]] = columns[order]
    return Direct(scales(total / np.maximum(count, 1)), column)


def _gaps(known: Facts) -> tuple[Places, F64, F64]:
    """Columns that show a gap, with its deviation in scales and its rise in the unit of the column."""
    seen = known.seen
    gaps = [i for i, what in enumerate(seen.meanings) if what.family == "gap"]
    told = [i for i in gaps if seen.peer[i] >= 0 or seen.meanings[i].side == "server"]
    made, series = _differences(known)
    split = known.series.split
    found = deviation(series[:split], series[split:])
    columns = np.array([*told, *made], dtype=np.intp)
    z = np.concatenate([known.bad[told], found.z_up]) if columns.size else np.zeros(0)
    rise = np.concatenate([seen.moved.up[told], found.up]) if columns.size else np.zeros(0)
    return columns, np.nan_to_num(z), np.nan_to_num(rise)


def _differences(known: Facts) -> tuple[list[int], F64]:
    seen = known.seen
    sides: dict[tuple[int, int], dict[str, int]] = {}
    for i, what in enumerate(seen.meanings):
        if seen.peer[i] >= 0 and what.family == "latency":
            sides.setdefault((int(seen.owner[i]), int(seen.peer[i])), {}).setdefault(what.side, i)
    rows = np.vstack([seen.normal, seen.abnormal])
    made: list[int] = []
    series: list[F64] = []
    for (_, callee), by_side in sorted(sides.items()):
        if "client" in by_side:
            inner = rows[:, by_side["server"]] if "server" in by_side else known.series.latency[:, callee]
            made.append(by_side["client"])
            series.append(rows[:, by_side["client"]] - inner)
    return made, np.column_stack(series) if series else np.zeros((len(rows), 0))
