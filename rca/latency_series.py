"""One latency series per service, comparable between services.

All services should speak in one statistic, for means add up along a call tree and percentiles of one kind at least
compare. A service that lacks the common statistic is given an estimate: the mean from its percentiles, by adding up
what each part of its requests takes.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from rca._base import F64
from rca.families import LATENCY_ORDER, Meaning, meaning
from rca.siblings import closeness, joined
from rca.view import CaseView, Places

_QUANTILES = {"p50": 0.5, "p75": 0.75, "p90": 0.9, "p95": 0.95, "p99": 0.99}


def latency_series(seen: CaseView, rows: F64) -> tuple[F64, Places]:
    """Latency of each service, (t, s), and the column that tells it, -1 = none.

    Parameters
    ----------
    rows : (t, n) the columns' values
    """
    by_owner = _candidates(seen)
    common = _common_statistic(seen, by_owner)
    column = np.full(len(seen.services), -1, dtype=np.intp)
    for owner, places in by_owner.items():
        column[owner] = min(places, key=lambda i: _order(seen, i, common))
    series = joined(seen, rows, column, np.nanmean)
    for owner, places in by_owner.items():
        percentiles = {_QUANTILES[s]: rows[:, i] for s, i in _percentiles(seen, places)}
        if common == "mean" and seen.meanings[int(column[owner])].statistic != "mean":
            series[:, owner] = mean_of_percentiles(percentiles, series[:, owner])
    return series, column


def mean_of_percentiles(known: dict[float, F64], otherwise: F64) -> F64:
    """Mean estimated from percentiles: each part of the requests takes about the mean of the percentiles around it.

    >>> mean_of_percentiles({0.5: np.array([1.0]), 0.9: np.array([3.0])}, np.zeros(1)).round(2).tolist()
    [1.6]
    """
    if not known:
        return otherwise
    shares = sorted(known)
    total = shares[0] * known[shares[0]]
    for low, high in pairwise(shares):
        total = total + (high - low) * (known[low] + known[high]) / 2
    return np.asarray(total + (1.0 - shares[-1]) * known[shares[-1]])


def _is_latency(what: Meaning) -> bool:
    return what.family == "latency" and what.side != "client" and not what.is_own and not what.is_host


def _candidates(seen: CaseView) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for i in seen.places(_is_latency).tolist():
        if seen.peer[i] < 0:
            found.setdefault(int(seen.owner[i]), []).append(i)
    return found


def _common_statistic(seen: CaseView, by_owner: dict[int, list[int]]) -> str:
    """The symptom's own statistic, or the best that at least half of the services have."""
    told = meaning(seen.case.symptom.metric)
    if told.family == "latency" and told.statistic:
        return told.statistic
    for statistic in LATENCY_ORDER:
        having = sum(any(seen.meanings[i].statistic == statistic for i in places) for places in by_owner.values())
        if 2 * having >= len(by_owner):
            return statistic
    return "mean"


def _order(seen: CaseView, i: int, common: str) -> tuple[bool, bool, bool, int, str]:
    metric, statistic = seen.columns[i].metric, seen.meanings[i].statistic
    place = LATENCY_ORDER.get(statistic, len(LATENCY_ORDER))
    return (*closeness(seen, metric), statistic != common, place, metric)


def _percentiles(seen: CaseView, places: list[int]) -> list[tuple[str, int]]:
    return [(seen.meanings[i].statistic, i) for i in places if seen.meanings[i].statistic in _QUANTILES]
