"""One latency, one error ratio and one request rate per service, whatever their metrics are called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rca._base import F64, Bools
from rca.calls import as_callers_see, with_the_way
from rca.deviation import quantile
from rca.families import Meaning
from rca.latency_series import latency_series
from rca.siblings import closeness, joined
from rca.view import CaseView, Places

_USED = frozenset({"latency", "errors", "availability", "traffic"})


@dataclass(frozen=True, slots=True)
class RequestSeries:
    """Series of every service over the normal rows followed by the abnormal ones.

    Parameters
    ----------
    split : number of normal rows
    latency, errors, requests : (t + a, s), NaN = missing; errors are ratios of 0 to 1
    is_seen_by_callers : (s,) whether callers measure errors or latency of calls to it
    latency_column, errors_column, requests_column : (s,) place of the column used, -1 = none
    """

    split: int
    latency: F64
    errors: F64
    requests: F64
    is_seen_by_callers: Bools
    latency_column: Places
    errors_column: Places
    requests_column: Places


def request_series(seen: CaseView) -> RequestSeries:
    """Choose the series of every service: the symptom's own metric where a service has it, else the best known."""
    rows = _rows(seen)
    latency, latency_column = latency_series(seen, rows)
    errors = _choose(seen, _errors_rank)
    requests = _choose(seen, _requests_rank)
    traffic = joined(seen, rows, requests, np.nansum)
    ratio = _error_ratio(seen, joined(seen, rows, errors, np.nanmean), traffic, errors)
    return RequestSeries(
        split=len(seen.normal),
        latency=with_the_way(seen, rows, latency),
        errors=np.fmax(ratio, as_callers_see(seen, rows, "errors")),
        requests=traffic,
        is_seen_by_callers=_seen_by_callers(seen),
        latency_column=latency_column,
        errors_column=errors,
        requests_column=requests,
    )


def _rows(seen: CaseView) -> F64:
    """Normal and abnormal rows with short gaps of request metrics filled."""
    used = np.flatnonzero(seen.which(lambda what: what.family in _USED) & np.isnan(np.sum(seen.rows, axis=0)))
    if not len(used):
        return seen.rows
    rows, split = seen.rows.copy(), len(seen.normal)
    rows[:split, used] = without_gaps(seen.normal[:, used])
    rows[split:, used] = without_gaps(seen.abnormal[:, used])
    return rows


def without_gaps(rows: F64, longest: int = 3) -> F64:
    """Fill short gaps with the last value before, else the next one after.

    Columns scraped at other moments miss a row now and then; a column that is empty more than half of the time is left
    alone, for there a missing value means that nothing happened.

    Parameters
    ----------
    rows : (t, n) in order of time
    longest : rows that a value may be carried

    >>> import numpy as np
    >>> without_gaps(np.array([[np.nan], [1.0], [np.nan], [3.0]]))[:, 0].tolist()
    [1.0, 1.0, 1.0, 3.0]
    """
    filled = rows.copy()
    if not len(rows):
        return filled
    often = np.mean(np.isfinite(rows), axis=0) >= 0.5
    for carried, step in ((filled, 1), (filled[::-1], -1)):
        source = rows[::step]
        for back in range(1, min(longest, len(rows) - 1) + 1):
            gap = np.isnan(carried[back:]) & often
            carried[back:] = np.where(gap, source[:-back], carried[back:])
    return filled


def _choose(seen: CaseView, rank: Callable[[Meaning], int | None]) -> Places:
    chosen = np.full(len(seen.services), -1, dtype=np.intp)
    best: dict[int, tuple[bool, bool, int | None, str]] = {}
    fit = seen.which(lambda what: rank(what) is not None and not what.is_host) & (seen.peer < 0)
    for i in np.flatnonzero(fit).tolist():
        place = rank(seen.meanings[i])
        metric = seen.columns[i].metric
        order = (*closeness(seen, metric), place, metric)
        owner = int(seen.owner[i])
        if owner not in best or order < best[owner]:
            best[owner], chosen[owner] = order, i
    return chosen


def _seen_by_callers(seen: CaseView) -> Bools:
    found = np.zeros(len(seen.services), dtype=np.bool_)
    client = seen.places(lambda what: what.family in ("latency", "errors") and what.side != "server")
    found[seen.peer[client][seen.peer[client] >= 0]] = True
    return found


def _errors_rank(what: Meaning) -> int | None:
    if what.side == "client" or what.family not in ("errors", "availability"):
        return None
    return 0 if what.family == "errors" else 1


def _requests_rank(what: Meaning) -> int | None:
    return 0 if what.family == "traffic" and what.side != "client" else None


def _error_ratio(seen: CaseView, ratio: F64, traffic: F64, errors: Places) -> F64:
    """Ratios as they are, percents / 100, availability turned round, counts per request."""
    if not len(ratio):
        return ratio
    typical, largest = quantile(ratio, 0.5), np.max(np.nan_to_num(ratio), axis=0, initial=0.0)
    families = np.array([seen.meanings[c].family if c >= 0 else "" for c in errors], dtype="U16")
    with np.errstate(all="ignore"):
        turned = 1.0 - ratio / np.where(typical > 1.5, 100.0, 1.0)
        per_request = np.where(traffic > 0, ratio / traffic, 0.0 * ratio)
    is_count = (families == "errors") & (largest > 1.0)
    return np.where(families == "availability", turned, np.where(is_count, per_request, ratio))
