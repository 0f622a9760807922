"""Machines below a drawn system: which service runs where, how that is told, and what is measured of the machines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from world import F64, Rng, World

from rca import Case, Column, ServiceGraph

ON_MACHINES = ("node loss", "node slow")
"""Faults of a machine; `Machines.broken` chooses which."""


@dataclass(frozen=True, slots=True)
class Machines:
    """Which services run on which machine; `told` is "placement", "edges" or "" (nobody says)."""

    of: dict[str, list[int]]
    told: str
    is_measured: bool

    def of_service(self, v: int) -> str:
        """The machine of a service, "" for what is outside."""
        return next((name for name, on_it in self.of.items() if v in on_it), "")

    def broken(self, rng: Rng) -> tuple[str, list[int]]:
        """A machine to break, with at least two services, the entry not among them."""
        fit = sorted(name for name, on_it in self.of.items() if len(on_it) >= 2 and 0 not in on_it)
        name = str(rng.choice(fit))
        return name, self.of[name]


def place(rng: Rng, w: World, *, fault: str) -> Machines:
    """Put all services but what is outside on machines of two to four; a starved machine is always measured."""
    services = [int(v) for v in rng.permutation(len(w.names)) if v > 0 and w.role[int(v)] != "outside"]
    found: dict[str, list[int]] = {"host-0": [0]}
    while services:
        count = int(rng.integers(2, 5))
        found[f"host-{len(found)}"] = sorted(services[:count])
        services = services[count:]
    ways = ["placement", "placement", "edges"] if fault in ON_MACHINES else ["placement", "placement", "edges", ""]
    told = str(rng.choice(ways))
    return Machines(found, told, bool(rng.random() < 0.5) or fault == "node slow")


def with_machines(case: Case, w: World, machines: Machines, rng: Rng, broken: tuple[str, str] = ("", "")) -> Case:
    """The case with what is known of machines; `broken` is a machine and the fault of it."""
    placement = {w.names[v]: name for name, on_it in machines.of.items() for v in on_it}
    edges = [(a, b) for a, b, _ in case.graph.edges()]
    if machines.told == "edges":
        edges += sorted(placement.items())
    columns, series = list(case.columns), [case.values]
    for name in sorted(machines.of) if machines.is_measured and machines.told else ():
        columns.append(Column(name, "cpu_pct"))
        series.append(_load(w, rng, broken[1] if name == broken[0] else "")[:, None])
    return Case(
        name=case.name,
        times=case.times,
        abnormal=case.abnormal,
        columns=tuple(columns),
        values=np.hstack(series),
        graph=ServiceGraph(edges, w.names),
        symptom=case.symptom,
        trigger_ms=case.trigger_ms,
        step_s=case.step_s,
        changes=case.changes,
        placement=placement if machines.told == "placement" else {},
    )


def _load(w: World, rng: Rng, fault: str) -> F64:
    load: F64 = 40 * np.exp(0.1 * rng.standard_normal(w.rows))
    if fault == "node loss":
        load[w.start :] = np.nan
    elif fault in ("node slow", "cpu hog"):
        load[w.start :] *= 2.3
    return load
