"""What is measured of a drawn system, in one of three ways of naming metrics."""

from __future__ import annotations

import numpy as np
from world import F64, Rng, World

from rca import Column

DIALECTS: tuple[dict[str, str], ...] = (
    {
        "p95": "latency_p95",
        "p50": "latency_p50",
        "errors": "error_ratio",
        "rate": "requests_rate",
        "cpu": "cpu_cores",
        "memory": "memory_bytes",
        "pool": "connections_used_ratio",
        "queue": "queue_depth",
        "restarts": "restarts",
        "disk": "disk_used_ratio",
        "seen_p95": "client_latency_p95",
        "seen_errors": "client_error_ratio",
    },
    {
        "mean": "http_server_duration_avg",
        "p95": "http_server_duration_p99",
        "error_count": "http_server_errors",
        "count": "http_server_requests",
        "cpu": "container_cpu_usage",
        "memory": "container_memory_rss",
        "pool": "db_pool_in_use",
        "queue": "executor_queue_size",
        "disk": "fs_used_pct",
        "seen_mean": "out_duration_avg",
        "seen_errors": "out_errors_ratio",
    },
    {
        "p50": "response_time_p50",
        "p95": "response_time_p90",
        "success": "success_pct",
        "rate": "rps",
        "cpu": "cpu_pct",
        "memory": "mem_pct",
        "queue": "pending_jobs",
        "disk": "disk_util",
        "restarts": "pod_restarts",
    },
)


def measure(rng: Rng, names: dict[str, str], w: World, effects: tuple[F64, F64, F64, F64]) -> tuple[list[Column], F64]:
    latency, errors, seen, seen_errors = effects
    columns: list[Column] = []
    series: list[F64] = []

    def put(column: Column, value: F64, noise: float = 0.03) -> None:
        columns.append(column)
        series.append(value * np.exp(noise * rng.standard_normal(len(value))))

    for v, name in enumerate(w.names):
        for what, value in _service_series(w, v, latency[:, v], errors[:, v]).items():
            if what in names:
                put(
                    Column(name, names[what]), np.where(w.gone[:, v] > 0, np.nan, value), 0.1 if what == "p95" else 0.03
                )
    for e, (a, b) in enumerate(w.edges):
        for what, value in (
            ("seen_mean", seen[:, e]),
            ("seen_p95", 1.8 * seen[:, e]),
            ("seen_errors", seen_errors[:, e]),
        ):
            if what in names:
                put(Column(w.names[a], names[what], w.names[b]), value, 0.1)
    return columns, np.column_stack(series)


def _service_series(w: World, v: int, latency: F64, errors: F64) -> dict[str, F64]:
    """All that could be measured of a service; databases show no requests, the outside shows nothing."""
    if w.role[v] == "outside":
        return {}
    lost = [w.edge_errors[:, e] for e, (_, b) in enumerate(w.edges) if b == v]
    rate = w.rate[:, v] * (1 - np.mean(lost, axis=0) if lost else 1.0)
    usual = max(float(np.median(rate[: w.start])), 1e-9)
    resources = {
        "cpu": (0.05 + 0.4 * rate / usual) * w.cpu_factor[:, v] + w.cpu_extra[:, v],
        "memory": w.memory[:, v],
        "pool": np.clip(0.2 * rate / usual * (latency / np.median(latency[: w.start])) ** 0.5 + w.pool[:, v], 0, 1),
        "disk": np.clip(0.4 + 0.6 * w.disk[:, v], 0, 1),
    }
    if w.role[v] == "database":
        return resources
    requests = {"mean": latency, "p50": 0.8 * latency, "p95": 1.8 * latency, "errors": errors, "rate": rate}
    counted = {"count": np.rint(rate * 60), "error_count": np.rint(errors * rate * 60), "success": 100 * (1 - errors)}
    return {**requests, **counted, **resources, "queue": w.queue[:, v], "restarts": w.restarts[:, v]}


def metric_of(columns: list[Column], service: str, kind: str) -> str:
    words = ("latency", "duration", "response") if kind == "latency" else ("error", "success")
    return max(
        c.metric for c in columns if c.service == service and not c.peer and any(word in c.metric for word in words)
    )
