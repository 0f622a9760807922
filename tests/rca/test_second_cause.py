"""Two causes at once are parted; one propagation is never two."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from simulation import FAULTS, simulate

from rca import Case, Column, ServiceGraph, Symptom, default_ranker
from rca.blast_radius import blast_radius
from rca.checks import example_case
from rca.default import FusedRanker

SPLIT, ROWS = 100, 106
SERVICES = ("gate", "left", "right", "store", "mail")
CALLS = [("gate", "left"), ("gate", "right"), ("left", "store"), ("right", "mail")]


def slow(*, edges: list[tuple[str, str]] = CALLS, **rise_s: float) -> Case:
    """A gate over two branches; the named services and the gate gain seconds."""
    rng = np.random.default_rng(1)
    usual = {"latency_mean": 0.1, "error_ratio": 0.001, "cpu_cores": 0.3}
    columns = tuple(Column(service, metric) for service in SERVICES for metric in usual)
    values = np.tile(list(usual.values()), len(SERVICES)) * np.exp(0.05 * rng.standard_normal((ROWS, len(columns))))
    values[:, columns.index(Column("gate", "latency_mean"))] += 0.4
    for service, seconds in {"gate": 2.0, **rise_s}.items():
        values[SPLIT:, columns.index(Column(service, "latency_mean"))] += seconds
    return Case(
        name="slow",
        times=np.arange(ROWS, dtype=np.int64) * 60_000,
        abnormal=np.arange(ROWS) >= SPLIT,
        columns=columns,
        values=values,
        graph=ServiceGraph(edges),
        symptom=Symptom("gate", "latency_mean", "latency"),
        trigger_ms=SPLIT * 60_000,
        step_s=60.0,
    )


def busy(case: Case, *services: str) -> Case:
    values = case.values.copy()
    values[SPLIT:, [case.columns.index(Column(service, "cpu_cores")) for service in services]] = 2.0
    return replace(case, values=values)


def is_told(case: Case) -> bool:
    return any("two independent causes" in note for note in default_ranker().rank(case).notes)


def test_two_branches_with_clear_trouble_of_their_own_are_two_causes() -> None:
    ranking = default_ranker().rank(busy(slow(left=1.0, store=0.9, right=1.0, mail=0.9), "store", "mail"))
    assert {s.service for s in ranking.suspects[:2]} == {"store", "mail"}
    first, second = (s.service for s in ranking.suspects[:2])
    assert ranking.notes[0] == f"two independent causes: {first} and {second}"


def test_one_branch_is_one_cause() -> None:
    assert not is_told(busy(slow(left=1.0, store=0.9), "store"))


def test_caller_and_callee_are_one_propagation_however_clear_both_are() -> None:
    assert not is_told(busy(slow(left=1.9, store=0.9), "left", "store"))


def test_a_machine_at_work_that_nobody_feels_is_no_second_cause() -> None:
    assert not is_told(busy(slow(left=1.0, store=0.9), "store", "mail"))


def test_trouble_that_the_symptom_does_not_depend_on_is_no_second_cause() -> None:
    apart = [("gate", "left"), ("left", "store"), ("other", "mail")]
    assert not is_told(busy(slow(edges=apart, store=0.9, left=1.0, mail=0.9), "store", "mail"))


def test_without_a_graph_nothing_is_called_independent() -> None:
    assert not is_told(busy(slow(edges=[], left=1.0, store=0.9, right=1.0, mail=0.9), "store", "mail"))


def test_a_machine_explains_all_that_runs_on_it() -> None:
    case = busy(slow(left=1.0, store=0.9, right=1.0, mail=0.9), "store", "mail")
    shared = replace(case, placement={"store": "host-1", "mail": "host-1", "left": "host-2", "right": "host-3"})
    assert not is_told(shared)


def test_simulated_pairs_are_mostly_both_on_top_and_told_apart_when_they_are() -> None:
    pairs = [simulate(a, s, also=b) for a in FAULTS[:8:3] for b in ("crash", "slow code", "cpu hog") for s in range(4)]
    ranked = [(default_ranker().rank(i.case), {i.service, i.second}) for i in pairs if i.second]
    on_top = [{s.service for s in ranking.suspects[:2]} == both for ranking, both in ranked]
    told = [any("two independent" in note for note in ranking.notes) for ranking, _ in ranked]
    assert np.mean(on_top) >= 0.6
    assert sum(t and not o for t, o in zip(told, on_top, strict=True)) <= 1
    assert sum(told) >= sum(on_top) / 2


def test_single_simulated_faults_are_hardly_ever_told_as_two() -> None:
    assert sum(is_told(simulate(fault, seed).case) for fault in FAULTS for seed in (100, 101)) <= 1


@pytest.mark.parametrize(("service", "radius"), [("store", ("left", "gate")), ("gate", ()), ("nobody", ())])
def test_the_blast_radius_is_who_depends_on_it_nearest_first(service: str, radius: tuple[str, ...]) -> None:
    assert blast_radius(ServiceGraph([*CALLS, ("store", "store")]), service) == radius


def test_who_feels_it_is_said_and_who_does_not_is_not() -> None:
    ranking = default_ranker().rank(busy(slow(left=1.0, store=0.9), "store"))
    assert ranking.notes == ("store is felt by left, gate",)


def test_services_on_a_lost_machine_feel_it() -> None:
    case = busy(slow(left=1.0, store=0.9, right=1.0, mail=0.9), "store", "mail")
    ranking = default_ranker().rank(replace(case, placement={"store": "host-1", "mail": "host-1"}))
    assert ranking.suspects[0].service == "host-1"
    assert ranking.notes == ("host-1 is felt by mail, store, left, right, gate",)


def test_many_who_feel_it_are_counted() -> None:
    case = example_case()
    columns = [Column(f"user-{i}", "latency_p95") for i in range(7)]
    values = np.hstack([case.values, np.tile(case.values[:, [0]], 7)])
    values[60:, -7:] += 2.0
    graph = case.graph.merged(ServiceGraph((c.service, "shop") for c in columns))
    ranking = default_ranker().rank(replace(case, columns=(*case.columns, *columns), values=values, graph=graph))
    assert ranking.notes[0].endswith(" and 5 more")


def test_the_second_cause_can_be_left_out() -> None:
    case = busy(slow(left=1.0, store=0.9, right=1.0, mail=0.9), "store", "mail")
    assert not any("two" in note for note in FusedRanker(frozenset({"second cause"})).rank(case).notes)
