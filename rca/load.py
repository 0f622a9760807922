"""Load: who brings more requests than its callers explain, and whose trouble is only the load.

A surge shows first where it enters: a service nobody calls, with more requests than usual and callees that rise in
proportion. A retry storm shows one step above the flood: the flooded service gets more calls than its callers' own
requests explain, so it is its callers that multiply. Services under load are slow because of it, not by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rca._base import F64
from rca.deviation import quantile
from rca.facts import Facts
from rca.opinion import Opinion, gate

_FAINT_RISE, _CLEAR_RISE = (
    0.2,
    0.6,
)  # ln of the ratio of requests to what is explained: a day's season stays below the first
_WORTH = 0.1  # of the largest gain, from which a gain of requests counts fully; chosen: fan-out multiplies it
_RETRY_SHARE = 0.5  # what extra calls may give beside a surge; chosen: they are harder to tell
_UNSPREAD = 0.2  # for a service whose requests go nowhere that is counted; chosen
_PRESSING = 0.4  # ln of the ratio from which load explains trouble; measured
_EXCUSED = 0.7  # most of a service's evidence that load takes away; chosen


@dataclass(frozen=True, slots=True)
class Load:
    """What the requests of each service say.

    Parameters
    ----------
    surge : (s,) in [0, 1], more requests come in here than usual
    retry : (s,) in [0, 1], it calls more than its own requests explain
    excused : (s,) in [0, 1], share of its own evidence that load takes away
    rise : (s,) ratio of requests now to normal
    """

    surge: F64
    retry: F64
    excused: F64
    rise: F64


def load(known: Facts) -> Load:
    """Compare the rise of each service's requests with that of its callers."""
    seen, split = known.seen, known.series.split
    requests = known.series.requests
    before, after = quantile(requests[:split], 0.5), quantile(requests[split:], 0.5)
    with np.errstate(all="ignore"):
        x = np.log(after / before)
    x = np.where(np.isfinite(x), x, 0.0) * gate(known.requests.z_up)
    usual = np.nan_to_num(before)
    from_callers = np.bincount(seen.callees, weights=usual[seen.callers], minlength=len(x))
    expected = np.bincount(seen.callees, weights=(usual * np.exp(x))[seen.callers], minlength=len(x))
    has_callers = from_callers > 0
    explained = np.where(has_callers, np.log(np.maximum(expected, 1e-12) / np.maximum(from_callers, 1e-12)), 0.0)
    unexplained = x - np.maximum(explained, 0.0)
    extra = np.clip((unexplained - _FAINT_RISE) / (_CLEAR_RISE - _FAINT_RISE), 0.0, 1.0)
    surge = np.where(has_callers, 0.0, extra * _spreads(known, x) * _volume(after - before))
    excused = np.where(has_callers, _EXCUSED * np.clip(x / _PRESSING, 0.0, 1.0), 0.0)
    return Load(surge, _retry(known, np.where(has_callers, extra, 0.0), usual), excused, np.exp(x))


def _volume(gained: F64) -> F64:
    """Requests gained beside the most that any service gained: three instead of one are no surge."""
    gained = np.maximum(0.0, np.nan_to_num(gained))
    return np.clip(gained / max(_WORTH * float(np.max(gained, initial=0.0)), 1e-12), 0.0, 1.0)


def _spreads(known: Facts, x: F64) -> F64:
    """Mean over callees of how far they rise with the service; little where it has none that count requests."""
    seen = known.seen
    counted = known.series.requests_column[seen.callees] >= 0
    callers, callees = seen.callers[counted], seen.callees[counted]
    share = np.clip(x[callees] / np.maximum(x[callers], 1e-9), 0.0, 1.0)
    number = np.bincount(callers, minlength=len(x))
    alone = np.full(len(x), _UNSPREAD)
    alone[seen.symptom] = 1.0
    return np.where(number > 0, np.bincount(callers, weights=share, minlength=len(x)) / np.maximum(number, 1), alone)


def _retry(known: Facts, extra: F64, usual: F64) -> F64:
    """Extra calls of a service, shared out among its callers by their usual requests."""
    seen = known.seen
    total = np.bincount(seen.callees, weights=usual[seen.callers], minlength=len(extra))
    part = np.sqrt(usual[seen.callers] / np.maximum(total[seen.callees], 1e-12))
    found = np.zeros(len(extra))
    np.maximum.at(found, seen.callers, extra[seen.callees] * part)
    return found


def incoming(known: Facts) -> tuple[list[Opinion], F64]:
    """Where more requests come in than usual, who calls too often, and how far load excuses each service, (s,)."""
    found, column = load(known), known.series.requests_column

    def tell_surge(s: int) -> str:
        return f"requests rose to {found.rise[s]:.1f} times the usual and spread to what it calls"

    def tell_retry(_: int) -> str:
        return "it calls its callees more often than its own requests explain"

    surge = Opinion("surge", found.surge, found.surge, column, tell_surge, cause="traffic surge", is_request=True)
    retry = Opinion("extra calls", found.retry, _RETRY_SHARE * found.retry, column, tell_retry, is_request=True)
    return [surge, retry], found.excused
