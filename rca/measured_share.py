"""Own share from traces: where spans tell the time a service spends by itself, nothing need be subtracted.

own_s = requests_s * (self time_s + what calls to it lose on the way); its rise over normal, in time, is compared
between services. Self times and gaps both come from spans and are taken to share one unit.

Limits: sampled traces of a minute with few spans are noisy; the deviation gate takes care of that, not the share.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rca._base import F64
from rca.deviation import deviation, quantile
from rca.facts import Facts
from rca.families import LATENCY_ORDER, Meaning, words
from rca.opinion import Opinion, gate
from rca.units import number
from rca.view import CaseView, Places


@dataclass(frozen=True, slots=True)
class MeasuredRise:
    """Rise of each service's own time summed over its requests (s,), its deviation in scales, and the column."""

    value: F64
    z: F64
    column: Places


def measured_rise(known: Facts) -> MeasuredRise:
    """How much own time each traced service gained, 0 for others."""
    seen, split = known.seen, known.series.split
    column = _self_columns(seen)
    if np.all(column < 0):
        return MeasuredRise(np.zeros(len(column)), np.zeros(len(column)), column)
    rows = seen.rows
    own = np.nan_to_num(_requests(known, rows, column) * (_take(rows, column) + _lost_on_the_way(known)))
    moved = deviation(own[:split], own[split:])
    rise = np.mean(own[split:], axis=0) - moved.median
    z = np.nan_to_num(moved.z_up)
    value = np.where(column >= 0, np.maximum(0.0, np.nan_to_num(rise)) * np.clip(z / 3.0, 0.0, 1.0), 0.0)
    return MeasuredRise(value, z, column)


def measured_share(known: Facts) -> Opinion:
    """Whose measured own time rose most, in time, by itself or on the way to it."""
    found = measured_rise(known)
    value, z = found.value, found.z
    total = max(float(np.sum(value)), 1e-12)

    def tell(s: int) -> str:
        times = number(z[s])
        return f"its own time makes {value[s] / total:.0%} of all own time gained, {times} times its usual variation"

    return Opinion("measured share", value, gate(z), found.column, tell, is_request=True)


def is_traced(seen: CaseView) -> bool:
    """Whether the symptom's service tells its own time, so that shares need not be computed by subtraction."""
    own = seen.which(_is_own_time) & (seen.peer < 0)
    return bool(np.any(seen.owner[own] == seen.symptom))


def _is_own_time(what: Meaning) -> bool:
    return what.is_own and what.family == "latency"


def _self_columns(seen: CaseView) -> Places:
    chosen = np.full(len(seen.services), -1, dtype=np.intp)
    best: dict[int, tuple[int, str]] = {}
    for i in seen.places(_is_own_time).tolist():
        what = seen.meanings[i]
        if seen.peer[i] < 0:
            order = (LATENCY_ORDER.get(what.statistic, len(LATENCY_ORDER)), seen.columns[i].metric)
            owner = int(seen.owner[i])
            if owner not in best or order < best[owner]:
                best[owner], chosen[owner] = order, i
    return chosen


def _requests(known: Facts, rows: F64, column: Places) -> F64:
    """Requests counted by the instrument that measured the self time, known by the first word of its metrics."""
    seen = known.seen
    result = known.series.requests.copy()
    for i in seen.places(lambda what: what.family == "traffic").tolist() if np.any(column >= 0) else ():
        own = column[seen.owner[i]]
        if seen.peer[i] < 0 and own >= 0:
            same = words(seen.columns[i].metric)[:1] == words(seen.columns[int(own)].metric)[:1]
            result[:, seen.owner[i]] = rows[:, i] if same else result[:, seen.owner[i]]
    return result


def _lost_on_the_way(known: Facts) -> F64:
    """Excess of told gaps over their normal median by the service to blame, (t, s), never negative.

    A gap told for all calls to a service is taken before the gaps of its single calls.
    """
    found, split = known.gaps, known.series.split
    size = len(known.seen.services)
    excess = np.maximum(0.0, np.nan_to_num(found.series - quantile(found.series[:split], 0.5)))
    total, count = np.zeros((len(excess), size)), np.zeros(size)
    summed = set(found.blamed[~found.is_made & (found.caller < 0)].tolist())
    for m in np.flatnonzero(~found.is_made):
        place = int(found.blamed[m])
        if found.caller[m] < 0 or place not in summed:
            total[:, place] += excess[:, m]
            count[place] += 1
    return np.asarray(total / np.maximum(count, 1))


def _take(rows: F64, column: Places) -> F64:
    return (
        np.where(column >= 0, rows[:, column], np.nan) if rows.shape[1] else np.full((len(rows), len(column)), np.nan)
    )
