"""Calls as their callers measure them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rca._base import F64
from rca.deviation import quantile
from rca.families import Family
from rca.view import CaseView


def as_callers_see(seen: CaseView, rows: F64, family: Family) -> F64:
    """The mean over its callers' measurements of each service, (t, s); NaN where nobody measures it."""
    shape = (len(rows), len(seen.services))
    sums, counts = np.zeros(shape), np.zeros(shape)
    for i in seen.places(lambda what: what.family == family and what.side != "server"):
        if seen.peer[i] >= 0:
            known = np.isfinite(rows[:, i])
            sums[known, seen.peer[i]] += rows[known, i]
            counts[known, seen.peer[i]] += 1
    with np.errstate(invalid="ignore"):
        return np.asarray(sums / counts)


def with_the_way(seen: CaseView, rows: F64, latency: F64) -> F64:
    """Latency of each service with what is lost on the way to it.

    The excess of the gap between a caller's and the service's own clock belongs to the service's side of the call:
    else the caller would look slow by itself. A service that measures nothing itself is as slow as its callers see it.
    """
    excess = np.zeros_like(latency)
    number = np.zeros(latency.shape[1])
    split = len(seen.normal)
    for gap in call_gaps(seen, rows, latency):
        excess[:, gap.callee] += np.nan_to_num(gap.series - quantile(gap.series[:split, None], 0.5))
        number[gap.callee] += 1
    seen_latency = latency + np.maximum(0.0, excess / np.maximum(number, 1))
    return np.where(np.isnan(seen_latency), as_callers_see(seen, rows, "latency"), seen_latency)


@dataclass(frozen=True, slots=True)
class CallGap:
    """Client-side minus server-side latency of one call over all rows, (t,), and the client-side column."""

    callee: int
    column: int
    series: F64


def call_gaps(seen: CaseView, rows: F64, latency: F64) -> list[CallGap]:
    """Gaps of all calls whose two sides are known: both of the call, or the call's and the callee's own latency.

    Parameters
    ----------
    latency : (t, s) used where the callee has no latency of the same statistic
    """
    client: dict[tuple[int, int, str], int] = {}
    server: dict[tuple[int, int, str], int] = {}
    own: dict[tuple[int, str], int] = {}
    for i in seen.places(lambda what: what.family == "latency" and not what.is_own).tolist():
        what = seen.meanings[i]
        if seen.peer[i] < 0 and what.side != "client":
            own.setdefault((int(seen.owner[i]), what.statistic), i)
        elif seen.peer[i] >= 0:
            side = server if what.side == "server" else client
            side.setdefault((int(seen.owner[i]), int(seen.peer[i]), what.statistic), i)
    found = []
    for (caller, callee, statistic), i in sorted(client.items()):
        inner = server.get((caller, callee, statistic), own.get((callee, statistic)))
        found.append(CallGap(callee, i, rows[:, i] - (latency[:, callee] if inner is None else rows[:, inner])))
    return found
