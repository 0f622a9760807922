"""Gaps of calls: a caller's time for a call minus the callee's own is lost between them, in network, proxies, pools.

A gap may be told by a metric (of a call, or of all calls to a service), or made: client-side minus server-side latency
of one call, or client-side latency of a call minus the callee's latency of the same statistic.

Who is to blame for a gap is usually the side of the callee. But where a caller loses time on two or more, and half or
more, of its calls at once, the trouble is its own: a starved client is late to read its answers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rca._base import F64
from rca.calls import call_gaps
from rca.deviation import deviation
from rca.opinion import gate
from rca.request_series import RequestSeries
from rca.view import CaseView, Places

_MANY = 0.5  # of a caller's measured calls; chosen
_ODD = 0.5  # gate from which a gap counts as deviating


@dataclass(frozen=True, slots=True)
class Gaps:
    """All known gaps of a case, m of them.

    Parameters
    ----------
    column : (m,) place of the column that tells it, or of its client side
    caller : (m,) -1 where a metric speaks of all callers
    callee : (m,)
    blamed : (m,) the service whose side loses the time
    series : (t, m) over all rows
    z, rise : (m,) deviation in scales, and in the unit of the series
    is_made : (m,)
    """

    column: Places
    caller: Places
    callee: Places
    blamed: Places
    series: F64
    z: F64
    rise: F64
    is_made: np.ndarray


def gaps(seen: CaseView, series: RequestSeries) -> Gaps:
    """Collect the gaps and say who is to blame for each."""
    all_gaps = seen.places(lambda what: what.family == "gap").tolist()
    told = [i for i in all_gaps if seen.peer[i] >= 0 or seen.meanings[i].side == "server"]
    rows = seen.rows
    made = call_gaps(seen, rows, series.latency)
    values = np.column_stack([*(rows[:, i] for i in told), *(gap.series for gap in made), np.zeros(len(rows))])[:, :-1]
    column = np.array([*told, *(gap.column for gap in made)], dtype=np.intp)
    is_call = seen.peer[column] >= 0
    caller = np.where(is_call, seen.owner[column], -1)
    callee = np.where(is_call, seen.peer[column], seen.owner[column])
    moved = deviation(values[: series.split], values[series.split :])
    z, rise = np.nan_to_num(moved.z_up), np.nan_to_num(moved.up)
    blamed = _blame(caller, callee, gate(z) >= _ODD, len(seen.services))
    return Gaps(column, caller, callee, blamed, values, z, rise, np.arange(len(column)) >= len(told))


def _blame(caller: Places, callee: Places, odd: np.ndarray, size: int) -> Places:
    known = caller >= 0
    number = np.bincount(caller[known], minlength=size)
    share = np.bincount(caller[known], weights=odd[known], minlength=size) / np.maximum(number, 1)
    starved = (share * number >= 2) & (share >= _MANY)
    blamed = np.where(known & starved[caller], caller, callee)
    for m in np.flatnonzero(~known):
        towards = known & (callee == callee[m]) & odd
        if towards.any() and np.all(starved[caller[towards]]):
            blamed[m] = caller[towards][0]
    return np.asarray(blamed, dtype=np.intp)
