"""Figures of incidents: grouping, delivery under faults, storms of alerts, latency, and what verdicts do.

`python tests/benchmarks/bench_incidents.py [--only PART ...]`, parts being grouping, faults, storm, latency, verdicts.
Rows go to build/bench/incidents.json. Storm and latency need about two minutes each of a machine with a free core.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests._feedback_world import lived, weeks_of
from tests.benchmarks._alert_history import month_of_alerts
from tests.benchmarks._alert_storm import stormed
from tests.benchmarks._delivery_faults import FAULTS, outcome_of
from tests.benchmarks._grouping import agreement, grouped
from tests.benchmarks._table import Row, at_least, at_most, publish

SEEDS = (101, 102, 103, 104, 105, 201, 202, 203, 204)
"""Months that grouping was never worked on with; those were 11 to 18."""
FASTEST = Path("/dev/shm")  # noqa: S108 - memory, because the disk is not what is measured


def grouping() -> list[Row]:
    """Generated months of alerts over forty services, whose truth is known."""
    rows = []
    for seed in SEEDS:
        history = month_of_alerts(seed)
        found = grouped(history)
        agreed = agreement(history.truth, found.incidents.values())
        name = f"month {seed}, {history.alerts} alerts"
        messages = sum(found.told.values())
        rows += [
            at_least(f"{name}: fewer messages of any kind", 100 * (1 - messages / history.alerts), "%", 90.0),
            Row(f"{name}: fewer pages", 100 * (1 - found.told["opened"] / history.alerts), "%"),
            at_least(f"{name}: pairwise F1 of grouping", agreed.f1, "", 0.95),
            Row(f"{name}: precision", agreed.precision),
            Row(f"{name}: recall", agreed.recall),
            at_most(f"{name}: incidents with alerts of two true ones", agreed.merged, "", 0),
            Row(f"{name}: true incidents, told as", f"{len(set(history.truth.values()))}, {len(found.incidents)}"),
        ]
    return rows


def faults() -> list[Row]:
    """A thousand incidents, three notifications each, under each kind of trouble."""
    rows = []
    for fault in FAULTS:
        with tempfile.TemporaryDirectory(dir=FASTEST if FASTEST.is_dir() else None) as folder:
            found = outcome_of(fault, Path(folder), incidents=1000)
        rows += [
            at_most(f"{fault}: lost of {found.wanted}", found.lost + found.dead, "", 0),
            at_most(f"{fault}: seen twice by a person", found.seen_twice, "", 0),
            at_most(f"{fault}: incidents told out of order", found.out_of_order, "", 0),
            Row(f"{fault}: repeated with the same key", found.repeated),
            Row(f"{fault}: gave way to a later one", found.replaced),
            Row(f"{fault}: everything told after the first of four hours of incidents", found.last_s / 3600, "h"),
            at_most(f"{fault}: longest wait of the other receiver", found.healthy_worst_s, "s", 2.0),
        ]
    return rows


def storm() -> list[Row]:
    """Ten thousand alerts in a minute: forty services that call each other, a thousand requests."""
    rng, history = random.Random(1), month_of_alerts(1, days=1)
    services = history.graph.services()
    alerts = [(rng.choice(services), f"Rule{n}") for n in range(10_000)]
    with tempfile.TemporaryDirectory() as folder:
        found = stormed(Path(folder), _graph_text(history.graph.edges()), _cut(alerts, 10), over_s=60.0)
    opened = found.opened()
    return [
        at_least("storm: requests accepted (202)", 100 * found.sent.statuses[202] / 1000, "%", 100.0),
        at_most("storm: answers 5xx", sum(n for s, n in found.sent.statuses.items() if s >= 500), "", 0),
        at_most("storm: p99 of the answer", found.sent.p99_ms(), "ms", 50.0),
        Row("storm: median of the answer", float(np.median(found.sent.took_s) * 1000), "ms"),
        at_most("storm: messages per incident at the opening", max(opened.values(), default=0), "", 1),
        Row("storm: incidents opened", len(opened)),
        Row("storm: processor time per alert", found.cpu_ms, "ms"),
    ]


def latency() -> list[Row]:
    """A thousand alerts in a minute over two hundred pairs of services that have nothing to do with each other."""
    pairs = [(f"a{n}", f"b{n}") for n in range(200)]
    graph = _graph_text((a, b, 0) for a, b in pairs)
    alerts = [(service, f"Rule{n}") for n in range(5) for pair in pairs for service in [pair[n % 2]]]
    alerts = [alerts[i] for k in range(200) for i in range(k, 1000, 200)]
    with tempfile.TemporaryDirectory() as folder:
        found = stormed(Path(folder), graph, _cut(alerts, 1), over_s=60.0)
    waits = found.latencies_s()
    return [
        at_least("latency: incidents told", len(found.opened()), "", 200),
        at_most("latency: alert to notification after the group wait, p99", float(np.percentile(waits, 99)), "s", 1.0),
        Row("latency: median", float(np.median(waits)), "s"),
        at_most("latency: p99 of the answer", found.sent.p99_ms(), "ms", 50.0),
    ]


def verdicts() -> list[Row]:
    """Six weeks of noisy series and true incidents, with a person who judges every page and without."""
    rows = []
    for seed in (1, 2, 3):
        made = weeks_of(seed)
        without, taught = lived(made, with_verdicts=False), lived(made, with_verdicts=True)
        rows += [
            Row(f"verdicts {seed}: false pages a week without", " ".join(map(str, without.false_pages))),
            Row(f"verdicts {seed}: false pages a week with", " ".join(map(str, taught.false_pages))),
            at_least(
                f"verdicts {seed}: true incidents told",
                taught.true_told,
                f"of {made and len(made.true)}",
                without.true_told,
            ),
        ]
    return rows


def _graph_text(edges: object) -> str:
    calls: dict[str, list[str]] = {}
    for caller, callee, *_ in edges:  # type: ignore[attr-defined]  # triples
        calls.setdefault(caller, []).append(callee)
    return "edges:\n" + "".join(f"  {caller}: [{', '.join(callees)}]\n" for caller, callees in calls.items())


def _cut(alerts: list[tuple[str, str]], size: int) -> list[list[tuple[str, str]]]:
    return [alerts[i : i + size] for i in range(0, len(alerts), size)]


PARTS: dict[str, Callable[[], list[Row]]] = {
    "grouping": grouping,
    "faults": faults,
    "storm": storm,
    "latency": latency,
    "verdicts": verdicts,
}


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="+", choices=sorted(PARTS), default=list(PARTS))
    wanted = parser.parse_args().only
    logging.getLogger("aiops.delivery").setLevel(logging.CRITICAL)
    print(f"load of the machine: {os.getloadavg()[0]:.1f}")
    publish("incidents", [row for part in PARTS if part in wanted for row in PARTS[part]()])


if __name__ == "__main__":
    main()
