"""What goes wrong with real cases: late and early triggers, lost metrics, wrong and missing edges, calm windows.

Every draw is seeded by the case's name, so the same case is always spoilt the same way.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from rca import Case, ServiceGraph

Spoil = Callable[[Case], Case]


def _rng(case: Case) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(case.name.encode()))


def trigger_moved(steps: float) -> Spoil:
    """The trigger comes some steps late (> 0) or early (< 0); the rows stay."""
    return lambda case: replace(case, trigger_ms=int(case.trigger_ms + steps * case.step_s * 1000))


def begun_late(case: Case) -> Case:
    """The first abnormal row is lost."""
    first = min((i for i in range(len(case.times)) if case.abnormal[i]), key=lambda i: case.times[i])
    keep = np.arange(len(case.times)) != first
    return replace(
        case,
        times=case.times[keep],
        abnormal=case.abnormal[keep],
        values=case.values[keep],
        trigger_ms=int(case.trigger_ms + case.step_s * 1000),
    )


def begun_early(case: Case) -> Case:
    """The last normal row before the incident is called abnormal."""
    abnormal = case.abnormal.copy()
    begin = min(case.times[abnormal])
    before = [i for i in range(len(case.times)) if not abnormal[i] and case.times[i] < begin]
    if before:
        abnormal[max(before, key=lambda i: case.times[i])] = True
    return replace(case, abnormal=abnormal, trigger_ms=int(case.trigger_ms - case.step_s * 1000))


def fifth_of_metrics_lost(case: Case) -> Case:
    """A fifth of the columns is missing; the symptom's own stays."""
    rng = _rng(case)
    own = [c.service == case.symptom.service and c.metric == case.symptom.metric for c in case.columns]
    keep = [i for i in range(len(case.columns)) if rng.random() > 0.2 or own[i]]
    return replace(case, columns=tuple(case.columns[i] for i in keep), values=case.values[:, keep])


def tenth_of_edges_wrong(case: Case) -> Case:
    """A tenth of the edges is missing, and as many are there that should not be."""
    rng = _rng(case)
    edges = [(a, b) for a, b, _ in case.graph.edges()]
    services = case.graph.services()
    count = max(1, len(edges) // 10)
    lost = set(rng.choice(len(edges), count, replace=False).tolist())
    invented = [(services[a], services[b]) for a, b in rng.integers(0, len(services), (count, 2))]
    return replace(case, graph=ServiceGraph([*(e for i, e in enumerate(edges) if i not in lost), *invented], services))


def without_graph(case: Case) -> Case:
    """Nothing is known of the structure but the calls that are measured."""
    return replace(case, graph=ServiceGraph())


SPOILS: dict[str, tuple[Spoil, float]] = {
    "trigger one step late": (trigger_moved(1), 3),
    "trigger one step early": (trigger_moved(-1), 3),
    "first abnormal row lost": (begun_late, 3),
    "one normal row too many": (begun_early, 3),
    "20 % of metrics missing": (fifth_of_metrics_lost, 5),
    "10 % of edges wrong": (tenth_of_edges_wrong, 5),
    "no graph": (without_graph, 15),
}
"""Name: the corruption, and the points of Avg@5 it may cost."""


def calm_windows(case: Case, *, count: int = 6, length: int = 5) -> list[Case]:
    """Stretches of a case's normal rows, each posing as an incident that is none."""
    rng = _rng(case)
    normal = np.flatnonzero(~case.abnormal)
    normal = normal[np.argsort(case.times[normal], kind="stable")]
    found = []
    for start in rng.integers(len(normal) // 3, len(normal) - length, count):
        window = normal[start : start + length]
        # Rows that are far apart in time are no window.
        if case.times[window[-1]] - case.times[window[0]] > 1.5 * (length - 1) * case.step_s * 1000:
            continue
        found.append(
            replace(
                case,
                times=case.times[normal],
                abnormal=np.isin(normal, window),
                values=case.values[normal],
                trigger_ms=int(case.times[window[0]]),
                changes=(),
            )
        )
    return found
