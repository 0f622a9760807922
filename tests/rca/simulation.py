"""Simulated incidents: a shop that is not there, broken in a known way.

Each incident draws a call graph, traffic, latencies, error ratios and resources; breaks one thing; lets the effect run
up the calls; and surrounds it with what real incidents have: harmless changes, background jobs, missing samples, other
names for the same metric. The generator knows nothing of the rankers.

Rules: latency(v) = own(v) + sum over callees of calls * (network + latency(callee)); errors run up with a coupling per
call (fallbacks exist); CPU, pool use and own latency follow the load; a timeout turns slowness into errors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from machines import ON_MACHINES, place, with_machines
from observation import DIALECTS, measure, metric_of
from world import F64, Rng, World

from rca import Case, Change, Column, ServiceGraph, Symptom

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
    "node loss",  # a machine with several services on it
    "node slow",  # the same, starved instead of lost
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
    """A case and what was broken in it; `second` is the other service broken at the same time, "" = none."""

    case: Case
    service: str
    fault: str
    second: str = ""


def simulate(
    fault: str, seed: int, *, size: int = 14, decoys: int = 3, normal: int = 120, faulty: bool = True, also: str = ""
) -> Incident:
    """Draw one incident; the same arguments give the same incident. Not `faulty` gives the same calm.

    `also` is a fault that breaks a second service, which neither calls the first nor is called by it.
    """
    rng = np.random.default_rng([FAULTS.index(fault), seed])
    machines = np.random.default_rng([1000 + FAULTS.index(fault), seed])  # placing changes nothing else that is drawn
    abnormal = int(rng.integers(4, 11))
    world = _draw(rng, size, normal, abnormal)
    victim = _victim(rng, world, fault)
    placed = place(machines, world, fault=fault)
    broken, victims = placed.broken(machines) if fault in ON_MACHINES else (placed.of_service(victim), [victim])
    victim = victims[0]
    if faulty:
        for each in victims:
            _break(rng, world, each, fault)
    second = _unrelated(machines, world, victim) if also else -1
    if second >= 0:
        _break(machines, world, second, also)
    effects = _propagate(world)
    step_s = float(rng.choice([15, 30, 60]))
    names = DIALECTS[int(rng.integers(2 if fault in ON_CALLS else len(DIALECTS)))]
    columns, values = measure(rng, names, world, effects)
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
        symptom=Symptom(world.names[0], metric_of(columns, world.names[0], kind), kind),  # type: ignore[arg-type]
        trigger_ms=trigger,
        step_s=step_s,
        changes=_changes(rng, world, victim, fault=fault if faulty else "", trigger_ms=trigger, decoys=decoys),
    )
    case = with_machines(case, world, placed, machines, (broken, fault if faulty else ""))
    service = broken if fault in ON_MACHINES else world.names[victim]
    return Incident(case, service, fault, world.names[second] if second >= 0 else "")


def _unrelated(rng: Rng, w: World, victim: int) -> int:
    """A service without any call path from or to the victim, -1 = there is none."""
    graph = ServiceGraph([(w.names[a], w.names[b]) for a, b in w.edges], w.names)
    name, web = w.names[victim], [v for v, role in enumerate(w.role) if role == "web"]
    free = [v for v in web if v != victim and not graph.path(name, w.names[v]) and not graph.path(w.names[v], name)]
    return int(rng.choice(free)) if free else -1


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
    for sink in sorted(sinks)[1:]:
        role[sink] = str(rng.choice(["web", "database", "outside"], p=[0.4, 0.4, 0.2]))
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
    _fill(rng, world)
    return world


def _fill(rng: Rng, world: World) -> None:
    """Everything of a system that is not its structure, as it is without any fault."""
    rows, size, edges = world.rows, len(world.names), world.edges
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
    into = [e for e, (_, b) in enumerate(w.edges) if b == v]
    out = [e for e, (a, _) in enumerate(w.edges) if a == v]
    slow = rng.uniform(0.1, 0.6)
    _break_service(rng, w, v, fault, slow=slow)
    now = slice(w.start, None)
    if fault == "network delay":
        w.network[now, into] += slow
    elif fault == "network loss":
        w.edge_errors[now, into] += rng.uniform(0.1, 0.4)
        w.network[now, into] += slow / 2
    elif fault in ("crash", "outside dependency down", "certificate expired", "node loss"):
        w.edge_errors[now, into] += rng.uniform(0.9, 1.0)
        w.gone[now, v] = 1.0 if fault in ("crash", "node loss") else 0.0
        w.edge_factor[now, out] *= 0.02
        w.cpu_factor[now, v] *= 0.1
    elif fault == "traffic surge":
        w.load[now] *= rng.uniform(2.0, 4.0)
    elif fault == "retry storm":
        w.edge_factor[now, [int(rng.choice(out))]] *= rng.uniform(6, 12)


def _break_service(rng: Rng, w: World, v: int, fault: str, *, slow: float) -> None:
    """Faults of the service itself: its time, its errors, its resources."""
    now = slice(w.start, None)
    if fault in ("slow code", "database slow"):
        w.own[now, v] += slow
        w.cpu_factor[now, v] *= rng.uniform(1.5, 3.0)
    elif fault in ("failing code", "bad config"):
        w.own_errors[now, v] += rng.uniform(0.1, 0.7)
    elif fault == "cpu hog":
        w.cpu_extra[now, v] += rng.uniform(1, 4)
        w.own[now, v] *= rng.uniform(3, 10)
    elif fault == "node slow":
        w.own[now, v] *= rng.uniform(4, 12)
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
