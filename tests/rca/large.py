"""A case of any size, for measuring speed: ten live signals per service, one of them slow."""

from __future__ import annotations

import numpy as np

from rca import Case, Column, ServiceGraph, Symptom

_SIGNALS = {
    "latency_p95": 0.1,
    "latency_p50": 0.05,
    "error_ratio": 0.001,
    "requests_rate": 50.0,
    "cpu_cores": 0.3,
    "memory_bytes": 3e8,
    "restarts": 0.0,
    "queue_depth": 2.0,
    "connections_used_ratio": 0.3,
    "cpu_throttled_ratio": 0.01,
}


def large_case(services: int, *, rows: int = 240, abnormal: int = 10, seed: int = 1) -> Case:
    """A case of `services` services, four edges each, and 240 points of ten series each."""
    rng = np.random.default_rng(seed)
    names = [f"s{i:05d}" for i in range(services)]
    edges = [(names[int(rng.integers(0, v))], names[v]) for v in range(1, services)]
    edges += [(names[a], names[b]) for a, b in rng.integers(0, services, (3 * services, 2)) if a < b]
    values = np.tile(list(_SIGNALS.values()), services) * np.exp(0.1 * rng.standard_normal((rows, 10 * services)))
    values[-abnormal:, 10 * (services // 2)] *= 5
    values[-abnormal:, 0] *= 3
    return Case(
        name="large",
        times=np.arange(rows, dtype=np.int64) * 15_000,
        abnormal=np.arange(rows) >= rows - abnormal,
        columns=tuple(Column(name, signal) for name in names for signal in _SIGNALS),
        values=values,
        graph=ServiceGraph(edges, names),
        symptom=Symptom(names[0], "latency_p95", "latency"),
        trigger_ms=(rows - abnormal) * 15_000,
        step_s=15.0,
    )
