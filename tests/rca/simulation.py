"""Simulated incidents: a shop that is not there, broken in a known way.

Each incident draws a call graph, traffic, latencies, error ratios and resources; breaks one thing; lets the effect run
up the calls; and surrounds it with what real incidents have: harmless changes, background jobs, missing samples, other
names for the same metric. The generator knows nothing of the rankers.

Rules: latency(v) = own(v) + sum over callees of calls * (network + latency(callee)); errors run up with a coupling per
call (fallbacks exist); CPU, pool use and own latency follow the load; a timeout turns slowness into errors.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rca import Case, Change, Column, ServiceGraph, Symptom

F64 = NDArray[np.float64]
Rng = np.random.Generator

FAULTS = (
    "slow code",  # after a deploy
    "failing code",  # after a deploy
    "bad config",  # errors after a config change
    "cpu hog",
    "memory leak",
    "pool exhausted",
    "queue backlog",
    "network delay",
    "network loss",
    "crash",
    "database slow",
    "outside dependency down",
    "traffic surge",
    "retry storm",  # after a deploy
    "scaled down",  # after a scaling
    "certificate expired",
    "disk full",
)
CHANGED = {
    "slow code": "deploy",
    "failing code": "deploy",
    "bad config": "config",
    "retry storm": "deploy",
    "scaled down": "scale",
}
ON_CALLS = ("network delay", "network loss", "outside dependency down", "certificate expired")
"""Faults that only measurements of calls can show; systems without them are not drawn for these."""
_TIMEOUT_S = 2.0
_WORDS = [
    f"{colour}-{thing}"
    for colour in ("amber", "jade", "ruby", "teal")
    for thing in ("ant", "bee", "cat", "elk", "fox", "owl", "ram", "yak")
]


@dataclass(frozen=True, slots=True)
class Incident:
    """A case and what was broken in it."""

    case: Case
    service: str
    fault: str


@dataclass(slots=True)
class World:
    """One drawn system; arrays are (t, services) or (t, edges)."""

    names: list[str]
    edges: list[tuple[int, int]]
    calls: F64
    coupling: F64
    role: list[str]  # web | database | outside
    rows: int
    start: int  # first abnormal row
    load: F64
    rate: F64 = field(default_factory=lambda: np.zeros(0))
    own: F64 = field(default_factory=lambda: np.zeros(0))
    own_errors: F64 = field(default_factory=lambda: np.zeros(0))
    network: F64 = field(default_factory=lambda: np.zeros(0))
    edge_errors: F64 = field(default_factory=lambda: np.zeros(0))
    edge_factor: F64 = field(default_factory=lambda: np.zeros(0))
    cpu_factor: F64 = field(default_factory=lambda: np.zeros(0))
    cpu_extra: F64 = field(default_factory=lambda: np.zeros(0))
    memory: F64 = field(default_factory=lambda: np.zeros(0))
    pool: F64 = field(default_factory=lambda: np.zeros(0))
    queue: F64 = field(default_factory=lambda: np.zeros(0))
    disk: F64 = field(default_factory=lambda: np.zeros(0))
    gone: F64 = field(default_factory=lambda: np.zeros(0))
    restarts: F64 = field(default_factory=lambda: np.zeros(0))


def simulate(
    fault: str, seed: int, *, size: int = 14, decoys: int = 3, normal: int = 120, faulty: bool = True
) -> Incident:
    """Draw one incident; the same arguments give the same incident. Not `faulty` gives the same calm."""
    rng = np.random.default_rng([FAULTS.index(fault), seed])
    abnormal = int(rng.integers(4, 11))
    world = _draw(rng, size, normal, abnormal)
    victim = _victim(rng, world, fault)
    if faulty:
        _break(rng, world, victim, fault)
    effects = _propagate(world)
    step_s = float(rng.choice([15, 30, 60]))
    names = _DIALECTS[int(rng.integers(2 if fault in ON_CALLS else len(_DIALECTS)))]
    columns, values = _measure(rng, names, world, effects)
    _jobs(rng, columns, values, world, victim)
    values[rng.random(values.shape) < rng.choice([0.0, 0.02, 0.1])] = np.nan
    trigger = int((world.start + 1) * step_s * 1000)
    kind = _symptom_kind(world, *effects[:2])
    case = Case(
        name=f"{fault} {seed}",
        times=(np.arange(world.rows) * step_s * 1000).astype(np.int64),
        abnormal=np.arange(world.rows) >= world.start,
        columns=tuple(columns),
        values=values,
        graph=ServiceGraph([(world.names[a], world.names[b]) for a, b in world.edges], world.names),
        symptom=Symptom(world.names[0], _metric_of(columns, world.names[0], kind), kind),  # type: ignore[arg-type]
        trigger_ms=trigger,
        step_s=step_s,
        changes=_changes(rng, world, victim, fault=fault if faulty else "", trigger_ms=trigger, decoys=decoys),
    )
    return Incident(case, world.names[victim], fault)


def _draw(rng: Rng, size: int, normal: int, abnormal: int) -> World:
    names = (
        [str(n) for n in rng.permutation(_WORDS)[:size]]
        if size <= len(_WORDS)
        else [f"s{i:05d}" for i in rng.permutation(size)]
    )
    edges = _graph(rng, size)
    rows = normal + abnormal
    sinks = set(range(size)) - {a for a, _ in edges}
    role = ["web"] * size
    for place in sorted(sinks)[1:]:
        role[place] = str(rng.choice(["web", "database", "outside"], p=[0.4, 0.4, 0.2]))
    day = 1 + 0.3 * np.sin(2 * np.pi * (np.arange(rows) / rng.integers(60, 300) + rng.random()))
    world = World(
        names=names,
        edges=edges,
        calls=rng.choice([0.3, 1.0, 1.0, 2.0], len(edges)),
        coupling=rng.choice([0.1, 0.8, 1.0], len(edges), p=[0.2, 0.4, 0.4]),
        role=role,
        rows=rows,
        start=normal,
        load=20 * day * np.exp(_wander(rng, rows, 1, 0.05)[:, 0]),
    )
    shape = (rows, size)
    world.own = np.exp(rng.uniform(np.log(0.003), np.log(0.06), size) + _wander(rng, rows, size, 0.06))
    world.own_errors = np.clip(rng.choice([0, 0.0005, 0.004], size) * np.exp(_wander(rng, rows, size, 0.3)), 0, 1)
    world.network = np.exp(np.log(0.001) + _wander(rng, rows, len(edges), 0.1))
    world.edge_errors, world.edge_factor = np.zeros((rows, len(edges))), np.ones((rows, len(edges)))
    world.cpu_factor, world.cpu_extra = np.ones(shape), np.zeros(shape)
    world.memory = 3e8 * np.exp(rng.normal(0, 0.5, size)) * (1 + 0.0002 * np.arange(rows)[:, None] * rng.random(size))
    world.memory = world.memory * np.exp(_wander(rng, rows, size, 0.01))
    world.pool, world.queue, world.disk = np.zeros(shape), rng.poisson(2.0, shape).astype(float), np.zeros(shape)
    world.gone, world.restarts = np.zeros(shape), np.zeros(shape)
    return world


def _graph(rng: Rng, size: int) -> list[tuple[int, int]]:
    """A layered call graph from service 0; every service is called by an earlier one."""
    edges = {(int(rng.integers(max(0, v // 3 - 2), max(1, (v + 1) // 2))), v) for v in range(1, size)}
    for v in rng.integers(2, size, size // 3):
        edges.add((int(rng.integers(0, v)), int(v)))
    return sorted(edges)


def _wander(rng: Rng, rows: int, count: int, size: float) -> F64:
    """Noise with memory: half of it lives for about five rows."""
    noise = rng.standard_normal((rows, count)) * size
    slow = noise.copy()
    for t in range(1, rows):
        slow[t] = 0.8 * slow[t - 1] + 0.6 * slow[t]
    return 0.5 * noise + 0.5 * slow


def _victim(rng: Rng, world: World, fault: str) -> int:
    callers = {a for a, _ in world.edges}

    def of(role: str) -> list[int]:
        return [v for v, r in enumerate(world.role) if r == role]

    if fault == "traffic surge":
        return 0
    if fault == "outside dependency down":
        sinks = [v for v in range(len(world.names)) if v not in callers]
        chosen = of("outside") or sinks
        for v in chosen:
            world.role[v] = "outside"
        return int(rng.choice(chosen))
    if fault in ("database slow", "disk full"):
        sinks = of("database") or [v for v in range(len(world.names)) if v not in callers]
        victim = int(rng.choice(sinks))
        world.role[victim] = "database"
        return victim
    web = [v for v in of("web") if v > 0]
    if fault == "retry storm":
        web = [v for v in web if v in callers] or [0]
    return int(rng.choice(web))


def _break(rng: Rng, w: World, v: int, fault: str) -> None:
    now = slice(w.start, None)
    into = [e for e, (_, b) in enumerate(w.edges) if b == v]
    out = [e for e, (a, _) in enumerate(w.edges) if a == v]
    slow = rng.uniform(0.1, 0.6)
    if fault in ("slow code", "database slow"):
        w.own[now, v] += slow
        w.cpu_factor[now, v] *= rng.uniform(1.5, 3.0)
    elif fault in ("failing code", "bad config"):
        w.own_errors[now, v] += rng.uniform(0.1, 0.7)
    elif fault == "cpu hog":
        w.cpu_extra[now, v] += rng.uniform(1, 4)
        w.own[now, v] *= rng.uniform(3, 10)
    elif fault == "memory leak":
        w.memory[w.start - 20 :, v] *= np.linspace(1, rng.uniform(1.8, 3), w.rows - w.start + 20)
        w.own[now, v] *= rng.uniform(3, 8)
        w.restarts[now, v] += rng.integers(0, 2)
    elif fault == "pool exhausted":
        w.pool[now, v] += 0.9
        w.own[now, v] += slow
        w.own_errors[now, v] += 0.05
    elif fault == "queue backlog":
        w.queue[now, v] += np.linspace(20, rng.uniform(200, 2000), w.rows - w.start)
        w.own[now, v] += slow
    elif fault == "network delay":
        w.network[now, into] += slow
    elif fault == "network loss":
        w.edge_errors[now, into] += rng.uniform(0.1, 0.4)
        w.network[now, into] += slow / 2
    elif fault in ("crash", "outside dependency down", "certificate expired"):
        w.edge_errors[now, into] += rng.uniform(0.9, 1.0)
        w.gone[now, v] = 1.0 if fault == "crash" else 0.0
        w.edge_factor[now, out] *= 0.02
        w.cpu_factor[now, v] *= 0.1
    elif fault == "traffic surge":
        w.load[now] *= rng.uniform(2.0, 4.0)
    elif fault == "retry storm":
        w.edge_factor[now, [int(rng.choice(out))]] *= rng.uniform(6, 12)
    elif fault == "scaled down":
        w.cpu_factor[now, v] *= rng.uniform(1.8, 2.5)
        w.own[now, v] *= rng.uniform(3, 8)
        w.pool[now, v] += 0.4
    elif fault == "disk full":
        w.disk[now, v] = 1.0
        w.own_errors[now, v] += rng.uniform(0.2, 0.8)


def _propagate(w: World) -> tuple[F64, F64, F64, F64]:
    """Requests down the calls, latency and errors up them; what callers see of each call comes third and fourth."""
    count = len(w.names)
    w.rate = np.zeros((w.rows, count))
    w.rate[:, 0] = w.load
    for v in range(count):
        for e in (e for e, (a, _) in enumerate(w.edges) if a == v):
            w.rate[:, w.edges[e][1]] += w.rate[:, v] * w.calls[e] * w.edge_factor[:, e]
    usual = np.median(w.rate[: w.start], axis=0)
    busy = np.clip(0.35 * w.rate / np.maximum(usual, 1e-9), 0, 0.95)
    w.own = w.own * (0.65 / (1 - busy)) ** 1.0
    latency, errors = w.own.copy(), w.own_errors.copy()
    seen_latency, seen_errors = np.zeros((w.rows, len(w.edges))), np.zeros((w.rows, len(w.edges)))
    for v in reversed(range(count)):
        for e in (e for e, (a, _) in enumerate(w.edges) if a == v):
            callee = w.edges[e][1]
            answer = w.network[:, e] + latency[:, callee] * (1 - w.edge_errors[:, e])
            late = np.clip((answer - _TIMEOUT_S) / _TIMEOUT_S, 0, 1)
            seen_latency[:, e] = np.minimum(answer, _TIMEOUT_S)
            seen_errors[:, e] = 1 - (1 - errors[:, callee]) * (1 - w.edge_errors[:, e]) * (1 - late)
            latency[:, v] += w.calls[e] * w.edge_factor[:, e] * seen_latency[:, e]
            errors[:, v] = 1 - (1 - errors[:, v]) * (1 - min(1.0, w.calls[e]) * w.coupling[e] * seen_errors[:, e])
    return latency, np.clip(errors, 0, 1), seen_latency, np.clip(seen_errors, 0, 1)


_DIALECTS: tuple[dict[str, str], ...] = (
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


def _measure(rng: Rng, names: dict[str, str], w: World, effects: tuple[F64, F64, F64, F64]) -> tuple[list[Column], F64]:
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


def _jobs(rng: Rng, columns: list[Column], values: F64, w: World, victim: int) -> None:
    """Background jobs: one or two healthy services work hard for themselves during the incident."""
    for _ in range(int(rng.integers(1, 3))):
        name = str(rng.choice([n for v, n in enumerate(w.names) if v != victim]))
        for i, column in enumerate(columns):
            if column.service == name and any(word in column.metric for word in ("cpu", "disk")):
                values[w.start :, i] *= rng.uniform(1.2, 1.8)


def _changes(rng: Rng, w: World, victim: int, *, fault: str, trigger_ms: int, decoys: int) -> tuple[Change, ...]:
    found = []
    others = [n for v, n in enumerate(w.names) if v != victim]
    for _ in range(decoys):
        kind = str(rng.choice(["deploy", "config", "restart", "scale"]))
        found.append(Change(trigger_ms - int(rng.uniform(0, 3600_000)), str(rng.choice(others)), kind, "routine"))
    if fault in CHANGED:
        found.append(
            Change(trigger_ms - int(rng.uniform(30_000, 400_000)), w.names[victim], CHANGED[fault], "new version")
        )
    return tuple(sorted(found))


def _symptom_kind(w: World, latency: F64, errors: F64) -> str:
    """What pages at the entry: the one that moved more against its usual level."""
    slower = np.median(latency[w.start :, 0]) / np.median(latency[: w.start, 0]) - 1
    failing = (np.median(errors[w.start :, 0]) - np.median(errors[: w.start, 0])) / 0.02
    return "errors" if failing > slower else "latency"


def _metric_of(columns: list[Column], service: str, kind: str) -> str:
    words = ("latency", "duration", "response") if kind == "latency" else ("error", "success")
    return max(
        c.metric for c in columns if c.service == service and not c.peer and any(word in c.metric for word in words)
    )
