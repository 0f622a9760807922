"""Own share: whose own time or errors, callees' part removed, make up what the symptom's requests suffer.

Per row T_s = requests_s * x_s / requests_symptom, x = latency or error ratio: what service s adds to one request of the
symptom, its callees included. The part of callee c that caller s causes is T_c in proportion of the callers' normal
traffic. own_s = T_s minus those parts; its rise over normal is the own share.

Limits: latencies that are percentiles do not add up exactly, and calls made in parallel count twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rca._base import F64, Bools
from rca.deviation import deviation, quantile
from rca.request_series import RequestSeries
from rca.view import CaseView, Places

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_DEPTH = 4  # longest chain of services that count no requests; chosen
_BEYOND_REACH = 0.1  # a graph may be stale or partial, so not nothing; chosen
_STEADY_SHARE = 0.1  # of the symptom's usual traffic: below it, per-request figures are noise


def own_series(seen: CaseView, series: RequestSeries, hurt: F64) -> tuple[F64, F64]:
    """Own and total contribution of every service per request of the symptom.

    Parameters
    ----------
    hurt : (t, s) latency or error ratio

    Returns
    -------
    own, total : (t, s); a row in which a service has no value counts as 0 of it
    """
    from scipy.sparse import csr_array

    requests = _filled_requests(seen, series)
    typical = quantile(requests[: series.split, [seen.symptom]], 0.5)[0]
    per = np.maximum(requests[:, seen.symptom], max(_STEADY_SHARE * float(np.nan_to_num(typical)), 1e-9))
    total = np.nan_to_num(requests * hurt) / per[:, None]
    usual = np.mean(requests[: series.split], axis=0) if series.split else np.zeros(requests.shape[1])
    into = np.bincount(seen.callees, weights=usual[seen.callers], minlength=len(usual))
    weight = usual[seen.callers] / np.maximum(into[seen.callees], 1e-12)
    part = csr_array((weight, (seen.callees, seen.callers)), shape=(len(usual), len(usual)))
    return np.asarray(total - total @ part), total


@dataclass(frozen=True, slots=True)
class OwnRise:
    """Rise of the own part per symptom request.

    Parameters
    ----------
    loss : (s,) >= 0, in the unit of what hurts, damped where it is noise
    value : (s,) the same, less for services that the symptom does not depend on as far as the graph knows
    z : (s,) the smaller of the own part's and the total's deviation, in scales
    """

    loss: F64
    value: F64
    z: F64


def own_rise(seen: CaseView, series: RequestSeries, hurt: F64) -> OwnRise:
    """How much more each service adds by itself than it normally does."""
    own, total = own_series(seen, series, hurt)
    moved = deviation(own[: series.split], own[series.split :])
    whole = deviation(total[: series.split], total[series.split :])
    rise = np.mean(own[series.split :], axis=0) - moved.median
    z = np.nan_to_num(np.minimum(moved.z_up, whole.z_up))
    loss = np.maximum(0.0, np.nan_to_num(rise)) * np.clip(z / 3.0, 0.0, 1.0)
    return OwnRise(loss, np.where(seen.reachable, loss, _BEYOND_REACH * loss), z)


def _sums_onto(ends: tuple[Places, Places], size: int) -> csr_array:
    """Matrix that adds up the columns of callers onto their callees."""
    from scipy.sparse import csr_array

    return csr_array((np.ones(len(ends[0])), ends), shape=(size, size))


def _most_called(seen: CaseView, requests: F64, without: Bools) -> F64:
    """Most requests of any counted callee, (t, s), infinity where there is none: a service calls about as often."""
    most = np.full(requests.shape, -np.inf)
    for caller, callee in zip(seen.callers, seen.callees, strict=True):
        if without[caller] and not without[callee]:
            most[:, caller] = np.fmax(most[:, caller], requests[:, callee])
    return np.where(np.isfinite(most), most, np.inf)


def _filled_requests(seen: CaseView, series: RequestSeries) -> F64:
    """Requests per row; a service that counts none is taken to be called once per request of each caller."""
    requests = series.requests.copy()
    symptom = requests[:, seen.symptom]
    symptom = np.where(np.isfinite(symptom), symptom, 1.0) if np.isfinite(symptom).any() else np.ones(len(symptom))
    requests[:, seen.symptom] = symptom
    without = series.requests_column < 0
    without[seen.symptom] = False
    called = np.isin(np.arange(len(without)), seen.callees)
    requests[:, without & ~called] = symptom[:, None]
    uncounted = without[seen.callees]
    if uncounted.any():
        size, ends = len(without), (seen.callers[uncounted], seen.callees[uncounted])
        onto = _sums_onto(ends, size)
        for _ in range(_DEPTH):
            requests[:, without & called] = np.asarray(np.nan_to_num(requests) @ onto)[:, without & called]
        requests[:, without] = np.minimum(requests, _most_called(seen, requests, without))[:, without]
    return np.nan_to_num(_attempted(seen, series, requests))


def _attempted(seen: CaseView, series: RequestSeries, requests: F64) -> F64:
    """Requests as sent: where callers measure a service, what it no longer counts still failed for them."""
    usual = quantile(requests[: series.split], 0.5)
    sent = np.bincount(seen.callees, weights=np.nan_to_num(usual)[seen.callers], minlength=len(usual))
    size, ends = len(usual), (seen.callers, seen.callees)
    onto = _sums_onto(ends, size)
    now = np.asarray(np.nan_to_num(requests) @ onto)
    expected = usual * np.where(sent > 0, np.minimum(1.0, now / np.maximum(sent, 1e-12)), 1.0)
    return np.where(series.is_seen_by_callers, np.fmax(requests, expected), requests)
