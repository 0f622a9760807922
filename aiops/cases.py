"""From an incident to the case a ranker sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aiops.history import History
from aiops.model import F64, I64, Anomaly, Bools, Event, Incident, SeriesKey
from aiops.series import SeriesTable
from rca import Case, Change, Column, ServiceGraph, Symptom

NEAR_HOPS = 4  # chosen: farther services neither felt nor caused it; keeps cases of large graphs small
MAX_COLUMNS = 20_000  # chosen: 240 rows of them are 40 MB
GUARD_STEPS = 5  # rows just before the start may already be odd; they count neither way
ALERT_KINDS = (("error", "errors"), ("5xx", "errors"), ("fail", "errors"), ("down", "errors"), ("latency", "latency"))


@dataclass(frozen=True, slots=True)
class Past:
    """The recent rows of one shard and what its columns are."""

    table: SeriesTable
    history: History
    step_s: float


def build_case(incident: Incident, pasts: Sequence[Past], graph: ServiceGraph, now_ms: int) -> Case:
    """What a ranker may know of an incident at `now_ms`.

    Rows of all shards are put on the grid of the shard that holds the symptom (or the first one): each row takes the
    latest value of the other shards within one of their steps. Services more than four calls away are left out.
    """
    lead = _lead(incident, pasts, now_ms)
    times, columns, values = _joined(pasts, lead, now_ms)
    keep = _near(columns, incident, graph)
    columns, values = [columns[i] for i in keep], values[:, keep]
    step_ms = int(1000 * (pasts[lead].step_s if pasts else 60.0))
    abnormal = times >= incident.started_ms - step_ms
    compare = times < incident.started_ms - GUARD_STEPS * step_ms
    used = abnormal | compare
    return Case(
        name=incident.id,
        times=times[used],
        abnormal=abnormal[used],
        columns=tuple(Column(k.service, metric_name(k), k.peer) for k in columns),
        values=values[used],
        graph=graph,
        symptom=symptom(incident, graph),
        trigger_ms=incident.started_ms,
        step_s=step_ms / 1000,
        changes=tuple(_change(e) for e in incident.events),
    )


def symptom(incident: Incident, graph: ServiceGraph) -> Symptom:
    """Where the incident hurts: the paging anomaly of the service that the fewest others of it call.

    Without one an alert serves, and without that any anomaly. Ties go to the earliest, then by name.
    """
    named = {a.series.service for a in incident.anomalies} | {e.service for e in incident.alerts if e.service}
    upstream = {s: sum(1 for other in named if other != s and graph.path(other, s)) for s in named}

    def order(a: Anomaly) -> tuple[bool, int, bool, int, SeriesKey]:
        return (not a.pages, upstream[a.series.service], a.kind == "traffic", a.started_ms, a.series)

    pages = sorted((a for a in incident.anomalies if a.pages), key=order)
    if pages or not incident.alerts:
        anomalies = pages or sorted(incident.anomalies, key=order)
        if not anomalies:
            return Symptom("", "", "latency")
        return Symptom(anomalies[0].series.service, metric_name(anomalies[0].series), anomalies[0].kind)
    alert = min(incident.alerts, key=lambda e: (not e.service, upstream.get(e.service, 0), e.time_ms, e.id))
    text = (dict(alert.labels).get("alertname", "") + " " + alert.description).lower()
    kind = next((k for word, k in ALERT_KINDS if word in text), "latency")
    return Symptom(alert.service, "error_ratio" if kind == "errors" else "latency_p95", kind)  # type: ignore[arg-type]


def metric_name(key: SeriesKey) -> str:
    """The signal with its further labels, as one word of a case folder's header."""
    return key.signal + "".join(f".{value}" for _, value in key.labels).replace("|", "_").replace(">", "_")


def _lead(incident: Incident, pasts: Sequence[Past], now_ms: int) -> int:
    for anomaly in sorted(incident.anomalies, key=lambda a: (not a.pages, a.started_ms, a.id)):
        for i, past in enumerate(pasts):
            if past.table.find(anomaly.series) is not None:
                return i
    # Only alerts so far: a source that is switched on but gets nothing has no rows to lend.
    known = [
        (
            len(past.history.window(-(2**62), now_ms)[0]) > 0,
            sum(k.service in incident.services for k, _ in past.table.items()),
        )
        for past in pasts
    ]
    return known.index(max(known)) if known else 0


def _joined(pasts: Sequence[Past], lead: int, now_ms: int) -> tuple[I64, list[SeriesKey], F64]:
    if not pasts:
        return np.zeros(0, np.int64), [], np.zeros((0, 0))
    grid, _ = pasts[lead].history.window(-(2**62), now_ms)
    columns: list[SeriesKey] = []
    parts = []
    for past in pasts:
        times, values = past.history.window(-(2**62), now_ms)
        here = [(i, key) for i, key, _ in past.table.numbered() if i < values.shape[1]]
        columns += [key for _, key in here]
        parts.append(_on_grid(grid, times, values[:, [i for i, _ in here]], int(1000 * past.step_s)))
    return grid, columns, np.concatenate(parts, axis=1)


def _on_grid(grid: I64, times: I64, values: F64, step_ms: int) -> F64:
    if np.array_equal(grid, times):
        return values
    latest = np.searchsorted(times, grid, side="right") - 1
    result = np.full((len(grid), values.shape[1]), np.nan)
    fresh: Bools = (latest >= 0) & (grid - times[latest.clip(0)] < step_ms) if len(times) else np.zeros(len(grid), bool)
    result[fresh] = values[latest[fresh]]
    return result


def near_services(incident: Incident, graph: ServiceGraph) -> frozenset[str]:
    """Services that may have to do with an incident; empty = the graph knows none of its services, so all may."""
    return frozenset(s for s, hop in _hops_from(incident, graph).items() if hop <= NEAR_HOPS)


def _near(columns: Sequence[SeriesKey], incident: Incident, graph: ServiceGraph) -> list[int]:
    hops = _hops_from(incident, graph)
    near = {s for s, hop in hops.items() if hop <= NEAR_HOPS} or {k.service for k in columns}
    # A machine or database that no trace names has no place in the graph, but may well be the cause.
    wanted = [i for i, k in enumerate(columns) if k.service in near or k.service not in graph]
    hops |= dict.fromkeys(incident.services, 0)
    wanted.sort(key=lambda i: (hops.get(columns[i].service, NEAR_HOPS + 1), i))
    return sorted(wanted[:MAX_COLUMNS])


def _hops_from(incident: Incident, graph: ServiceGraph) -> dict[str, int]:
    """Calls between an incident and each service; empty when the graph knows none of the incident's services."""
    known = [s for s in incident.services if s in graph]
    return _hops(graph, known) | dict.fromkeys(incident.services, 0) if known else {}


def _hops(graph: ServiceGraph, start: Sequence[str]) -> dict[str, int]:
    hops, front = dict.fromkeys(start, 0), list(start)
    while front:
        found = sorted({n for s in front for n in (*graph.callees(s), *graph.callers(s)) if n not in hops})
        hops |= dict.fromkeys(found, hops[front[0]] + 1)
        front = found
    return hops


def _change(event: Event) -> Change:
    return Change(event.time_ms, event.service, event.kind, event.description, event.url)
