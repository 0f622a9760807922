"""What a service does per request: lines logged, errors logged, calls made.

Code that throws or returns early does less than usual for the same requests: it logs other lines and skips calls. Per
request these figures are nearly constant, so changes too small to see in any rate stand out, both up and down.
"""

from __future__ import annotations

import numpy as np

from rca._base import F64
from rca.deviation import deviation, quantile
from rca.direct import Direct
from rca.facts import Facts
from rca.opinion import Opinion, gate
from rca.view import Places

_SKIPPED = "what it calls gets fewer requests, though its own did not fall"
_FAINT_FALL, _CLEAR_FALL = 0.2, 0.6  # ln of the ratio of a callee's requests to its caller's


def logs_per_request(known: Facts) -> Direct:
    """Deviation of log lines per request, up or down, and of logged errors per request, up."""
    seen = known.seen
    rows = seen.rows
    size, split = len(seen.services), len(seen.normal)
    z, column = np.zeros(size), np.full(size, -1, dtype=np.intp)
    for i in seen.places(lambda what: what.family in ("logs", "log errors")).tolist():
        what = seen.meanings[i]
        if seen.peer[i] >= 0:
            continue
        owner = int(seen.owner[i])
        requests = _best_fitting(rows[:, i], rows[:, _traffic_columns(known, owner)], split)
        if requests is None:
            continue
        ratio = _ratio(rows[:, i], requests)
        floor = _counting_noise(rows[:split, i], requests[:split])
        moved = deviation(ratio[:split, None], ratio[split:, None], floor)
        found = moved.z_up[0] if what.family == "log errors" else moved.z[0]
        if np.isfinite(found) and found > z[owner]:
            z[owner], column[owner] = found, i
    return Direct(z, column)


def _traffic_columns(known: Facts, owner: int) -> list[int]:
    seen = known.seen
    first, last = np.searchsorted(seen.owner, [owner, owner + 1])
    return [i for i in range(first, last) if seen.meanings[i].family == "traffic" and seen.peer[i] < 0]


def _counting_noise(lines: F64, requests: F64) -> float:
    """Spread of lines per request from counting alone: of few lines, one more or less means nothing."""
    usual_lines, usual_requests = quantile(np.column_stack([lines, requests]), 0.5)
    return float(np.sqrt(max(1.0, usual_lines)) / usual_requests) if usual_requests > 0 else 0.0


def _ratio(lines: F64, requests: F64) -> F64:
    with np.errstate(all="ignore"):
        return np.where(requests > 0, lines / requests, np.nan)


def _best_fitting(lines: F64, requests: F64, split: int) -> F64 | None:
    """Of several request counts, (t, k), the one with the steadiest lines per request; None = none fits."""
    best: tuple[float, int] | None = None
    for k in range(requests.shape[1]):
        ratio = _ratio(lines, requests[:, k])[:split, None]
        middle = quantile(ratio, 0.5)[0]
        spread = quantile(np.abs(ratio - middle), 0.75)[0] / (abs(middle) + 1e-9)
        if np.isfinite(spread) and (best is None or spread < best[0]):
            best = (float(spread), k)
    return None if best is None else requests[:, best[1]]


def skipped_calls(known: Facts) -> Opinion:
    """Whose callees get fewer requests although its own did not fall."""
    seen, split = known.seen, known.series.split
    requests = known.series.requests
    before, after = quantile(requests[:split], 0.5), quantile(requests[split:], 0.5)
    with np.errstate(all="ignore"):
        x = np.log(np.maximum(after, 1e-3 * before) / before)
    down = gate(known.requests.z_down)
    counted = np.isfinite(x[seen.callers]) & np.isfinite(x[seen.callees])
    callers, callees = seen.callers[counted], seen.callees[counted]
    fall = (x[callers] - x[callees] - _FAINT_FALL) / (_CLEAR_FALL - _FAINT_FALL)
    size = np.clip(fall, 0.0, 1.0) * down[callees]
    number = np.bincount(callers, minlength=len(x))
    # One callee with fewer calls may be its own trouble; all of them with fewer are their caller's.
    strength = np.bincount(callers, weights=size, minlength=len(x)) / (number + 1.0)
    column: Places = known.series.requests_column
    return Opinion("skipped calls", strength, np.clip(2 * strength, 0.0, 1.0), column, lambda _: _SKIPPED)
