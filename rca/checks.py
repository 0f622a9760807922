"""Contract checks that every ranker must pass; run them over your own with `check_ranker(YourRanker())`.

The result of a ranker does not depend on the order of services, columns, rows or edges; it is the same every time;
cycles, islands, unknown services, missing values and empty cases work; weights are finite and sorted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from rca._base import Case, Change, Column, Ranker, Ranking, Symptom
from rca.graph import ServiceGraph

_CALLS = (("shop", "cart"), ("shop", "search"), ("cart", "db"), ("cart", "queue"), ("search", "db"))
_METRICS = ("latency_p95", "requests_rate", "error_ratio", "cpu_cores", "memory_bytes")


def example_case(*, seed: int = 7) -> Case:
    """A small shop whose database became slow: 60 normal and 6 abnormal rows, one decoy deploy."""
    rng = np.random.default_rng(seed)
    graph = ServiceGraph(_CALLS)
    columns = [Column(service, metric) for service in graph.services() for metric in _METRICS]
    columns += [Column(a, "client_latency_p95", b) for a, b, _ in graph.edges()]
    centre = np.array([{"r": 50.0, "m": 1e8}.get(column.metric[0], 0.1) for column in columns])
    values = centre * (1 + 0.05 * rng.standard_normal((66, len(columns))))
    hurt = [i for i, c in enumerate(columns) if "latency" in c.metric and c.service != "queue" and c.peer != "queue"]
    values[60:, hurt] += 0.8
    values[60:, [i for i, c in enumerate(columns) if c == Column("db", "cpu_cores")]] *= 3
    return Case(
        name="example",
        times=np.arange(66, dtype=np.int64) * 15_000,
        abnormal=np.arange(66) >= 60,
        columns=tuple(columns),
        values=values,
        graph=graph,
        symptom=Symptom("shop", "latency_p95", "latency"),
        trigger_ms=60 * 15_000,
        step_s=15.0,
        changes=(Change(55 * 15_000, "queue", "deploy", "queue 1.2"),),
    )


def odd_cases() -> Iterator[Case]:
    """Cases at the border of meaning, each named after its oddity."""
    case = example_case()
    rows, count = case.values.shape

    def renamed(name: str, **changes: object) -> Case:
        return replace(case, name=name, **changes)  # type: ignore[arg-type]  # keywords are fields by construction

    yield renamed("no rows", times=case.times[:0], abnormal=case.abnormal[:0], values=case.values[:0])
    yield renamed("no columns", columns=(), values=np.zeros((rows, 0)))
    yield renamed("one row", times=case.times[:1], abnormal=case.abnormal[-1:], values=case.values[-1:])
    yield renamed("no normal rows", abnormal=np.ones(rows, dtype=np.bool_))
    yield renamed("no abnormal rows", abnormal=np.zeros(rows, dtype=np.bool_))
    yield renamed("all missing", values=np.full((rows, count), np.nan))
    yield renamed("infinite", values=np.where(case.values > 1e6, np.inf, case.values))
    yield renamed("huge", values=case.values * 1e300)
    yield renamed("constant", values=np.ones((rows, count)))
    yield renamed("no graph", graph=ServiceGraph())
    yield renamed("empty graph and table", graph=ServiceGraph(), columns=(), values=np.zeros((rows, 0)))
    yield renamed("cycle", graph=ServiceGraph([*_CALLS, ("db", "shop"), ("cart", "shop")]))
    yield renamed("self calls", graph=ServiceGraph([*_CALLS, ("db", "db")]))
    yield renamed("island", graph=ServiceGraph([*_CALLS, ("far", "away")], nodes=["alone"]))
    yield renamed("graph of strangers", graph=ServiceGraph([("x", "y")]))
    yield renamed("unknown symptom", symptom=Symptom("nobody", "nothing", "saturation"))
    yield renamed("one service", columns=case.columns[:1], values=case.values[:, :1], graph=ServiceGraph())
    yield renamed("same column twice", columns=(case.columns[0],) * count)
    yield renamed("future changes", changes=(Change(10**15, "db", "deploy"), Change(-(10**15), "nobody", "?")))
    yield renamed("shuffled time", times=case.times[::-1], abnormal=case.abnormal[::-1], values=case.values[::-1])
    yield renamed("trigger far away", trigger_ms=10**15)


def check_ranker(ranker: Ranker) -> None:
    """Run all checks.

    Raises
    ------
    AssertionError : says which promise is broken, and on which case
    """
    for check in CHECKS:
        check(ranker)


def check_the_same_case_gives_the_same_ranking(ranker: Ranker) -> None:
    """Ranking twice gives equal results and leaves the case as it was."""
    case = example_case()
    values = case.values.copy()
    first, second = ranker.rank(case), ranker.rank(case)
    _promise(first == second, "ranking twice gives different results", case)
    _promise(np.array_equal(case.values, values), "the case was changed", case)


def check_order_is_irrelevant(ranker: Ranker) -> None:
    """Columns, rows, edges and changes in another order give the same ranking."""
    case = example_case()
    place = np.random.default_rng(3).permutation(len(case.columns))
    row = np.random.default_rng(4).permutation(len(case.times))
    mixed = replace(
        case,
        columns=tuple(case.columns[i] for i in place),
        values=case.values[row][:, place],
        times=case.times[row],
        abnormal=case.abnormal[row],
        graph=ServiceGraph(reversed(_CALLS), nodes=["queue", "db", "shop"]),
        changes=case.changes[::-1],
    )
    _promise(_order(ranker.rank(case)) == _order(ranker.rank(mixed)), "order of the input matters", mixed)


def check_answers_are_well_formed(ranker: Ranker) -> None:
    """Every service once, weights finite and sorted, ties by name, confidences in [0, 1], paths end at the symptom."""
    for case in (example_case(), *odd_cases()):
        ranking = ranker.rank(case)
        names = [s.service for s in ranking.suspects]
        weights = [s.weight for s in ranking.suspects]
        expected = {*case.graph.services(), *(c.service for c in case.columns)}
        _promise(len(names) == len(set(names)), "a service is named twice", case)
        _promise(expected <= set(names), "a service is missing", case)
        _promise(all(map(math.isfinite, weights)), "a weight is not finite", case)
        by_rule = sorted(zip(weights, names, strict=True), key=lambda pair: (-pair[0], pair[1]))
        _promise(names == [name for _, name in by_rule], "not sorted by weight and then name", case)
        _promise(all(0 <= s.confidence <= 1 for s in ranking.suspects), "a confidence is outside [0, 1]", case)
        _promise(sum(s.confidence for s in ranking.suspects) <= 1 + 1e-6, "confidences sum to more than 1", case)
        _promise(all(abs(e.strength) <= 1 for s in ranking.suspects for e in s.evidence), "evidence beyond 1", case)
        for suspect in ranking.suspects:
            fine = not suspect.path or (suspect.path[0], suspect.path[-1]) == (suspect.service, case.symptom.service)
            _promise(fine, "a path does not lead from suspect to symptom", case)


def check_nothing_known_is_unknown(ranker: Ranker) -> None:
    """Without values to compare the answer is `unknown`."""
    for case in odd_cases():
        if case.name in ("no rows", "no columns", "all missing", "empty graph and table"):
            _promise(ranker.rank(case).unknown, "an empty case has a known cause", case)


CHECKS: tuple[Callable[[Ranker], None], ...] = (
    check_the_same_case_gives_the_same_ranking,
    check_order_is_irrelevant,
    check_answers_are_well_formed,
    check_nothing_known_is_unknown,
)


def _order(ranking: Ranking) -> list[tuple[str, float]]:
    return [(s.service, round(s.weight, 9)) for s in ranking.suspects]


def _promise(kept: object, broken: str, case: Case) -> None:
    if not kept:
        raise AssertionError(f"case {case.name!r}: {broken}")
