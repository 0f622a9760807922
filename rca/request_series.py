"""One latency, one error ratio and one request rate per service, whatever their metrics are called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rca._base import F64
from rca.deviation import quantile
from rca.families import LATENCY_ORDER, Family, Meaning
from rca.view import CaseView, Places


@dataclass(frozen=True, slots=True)
class RequestSeries:
    """Series of every service over the normal rows followed by the abnormal ones.

    Parameters
    ----------
    split : number of normal rows
    latency, errors, requests : (t + a, s), NaN = missing; errors are ratios of 0 to 1
    latency_column, errors_column, requests_column : (s,) place of the column used, -1 = none
    """

    split: int
    latency: F64
    errors: F64
    requests: F64
    latency_column: Places
    errors_column: Places
    requests_column: Places


def request_series(seen: CaseView) -> RequestSeries:
    """Choose the series of every service: the symptom's own metric where a service has it, else the best known."""
    rows = np.vstack([without_gaps(seen.normal), without_gaps(seen.abnormal)])
    own = [i for i in range(len(seen.columns)) if seen.peer[i] < 0 and not seen.meanings[i].is_host]
    latency = _choose(seen, own, _latency_rank)
    errors = _choose(seen, own, _errors_rank)
    requests = _choose(seen, own, _requests_rank)
    return RequestSeries(
        split=len(seen.normal),
        latency=_with_the_way(seen, rows, _take(rows, latency)),
        errors=np.fmax(_error_ratio(seen, rows, errors, requests), as_callers_see(seen, rows, "errors")),
        requests=_take(rows, requests),
        latency_column=latency,
        errors_column=errors,
        requests_column=requests,
    )


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


def _choose(seen: CaseView, own: list[int], rank: Callable[[Meaning], int | None]) -> Places:
    chosen = np.full(len(seen.services), -1, dtype=np.intp)
    best: dict[int, tuple[bool, int, str]] = {}
    for i in own:
        place = rank(seen.meanings[i])
        if place is None:
            continue
        order = (seen.columns[i].metric != seen.case.symptom.metric, place, seen.columns[i].metric)
        owner = int(seen.owner[i])
        if owner not in best or order < best[owner]:
            best[owner], chosen[owner] = order, i
    return chosen


def as_callers_see(seen: CaseView, rows: F64, family: Family) -> F64:
    """The mean over its callers' measurements of each service, (t, s); NaN where nobody measures it."""
    shape = (len(rows), len(seen.services))
    sums, counts = np.zeros(shape), np.zeros(shape)
    for i, what in enumerate(seen.meanings):
        if seen.peer[i] >= 0 and what.family == family and what.side != "server":
            known = np.isfinite(rows[:, i])
            sums[known, seen.peer[i]] += rows[known, i]
            counts[known, seen.peer[i]] += 1
    with np.errstate(invalid="ignore"):
        return np.asarray(sums / counts)


def _with_the_way(seen: CaseView, rows: F64, latency: F64) -> F64:
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
    for i, what in enumerate(seen.meanings):
        if what.family != "latency" or what.is_own:
            continue
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


def _latency_rank(what: Meaning) -> int | None:
    if what.family != "latency" or what.side == "client" or what.is_own:
        return None
    return LATENCY_ORDER.get(what.statistic, len(LATENCY_ORDER))


def _errors_rank(what: Meaning) -> int | None:
    if what.side == "client" or what.family not in ("errors", "availability"):
        return None
    return 0 if what.family == "errors" else 1


def _requests_rank(what: Meaning) -> int | None:
    return 0 if what.family == "traffic" and what.side != "client" else None


def _take(rows: F64, chosen: Places) -> F64:
    if not rows.shape[1]:
        return np.full((len(rows), len(chosen)), np.nan)
    return np.where(chosen >= 0, rows[:, chosen], np.nan)


def _error_ratio(seen: CaseView, rows: F64, errors: Places, requests: Places) -> F64:
    """Ratios as they are, percents / 100, availability turned round, counts per request."""
    ratio = _take(rows, errors)
    traffic = _take(rows, requests)
    for service, column in enumerate(errors):
        if column < 0:
            continue
        x = ratio[:, service]
        known = x[np.isfinite(x)]
        typical = float(np.median(known)) if known.size else 0.0
        if seen.meanings[column].family == "availability":
            ratio[:, service] = 1.0 - (x / 100.0 if typical > 1.5 else x)
        elif known.size and float(np.max(known)) > 1.0:
            with np.errstate(all="ignore"):
                ratio[:, service] = np.where(traffic[:, service] > 0, x / traffic[:, service], 0.0 * x)
    return ratio
