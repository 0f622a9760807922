"""Services that share a machine or a database and go wrong together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rca import Case, Column, ServiceGraph, Suspect, Symptom, default_ranker
from rca.checks import check_ranker
from rca.default import FusedRanker

SPLIT, ROWS = 100, 106
SERVICES = ("gate", "cart", "bank", "mail", "news", "user")
CALLS = [("gate", service) for service in SERVICES[1:]]
HOSTS = {"cart": "host-1", "bank": "host-1", "mail": "host-2", "news": "host-2", "user": "host-2"}


def shop(**failing: float) -> Case:
    """A gate that calls five services; those named fail, and the gate with them. NaN: nothing is reported any more."""
    rng = np.random.default_rng(1)
    usual = {"latency_p95": 0.1, "error_ratio": 0.002, "cpu_cores": 0.3}
    columns = tuple(Column(service, metric) for service in SERVICES for metric in usual)
    values = np.tile(list(usual.values()), len(SERVICES)) * np.exp(0.05 * rng.standard_normal((ROWS, len(columns))))
    for service, errors in {"gate": 0.3, **failing}.items():
        gone = [i for i, column in enumerate(columns) if column.service == service]
        values[SPLIT:, gone if np.isnan(errors) else columns.index(Column(service, "error_ratio"))] = errors
    return Case(
        name="shop",
        times=np.arange(ROWS, dtype=np.int64) * 60_000,
        abnormal=np.arange(ROWS) >= SPLIT,
        columns=columns,
        values=values,
        graph=ServiceGraph(CALLS),
        symptom=Symptom("gate", "error_ratio", "errors"),
        trigger_ms=SPLIT * 60_000,
        step_s=60.0,
        placement=HOSTS,
    )


def first(case: Case) -> Suspect:
    return default_ranker().rank(case).suspects[0]


@pytest.mark.parametrize("errors", [0.4, float("nan")], ids=["failing", "silent"])
def test_all_services_of_a_machine_at_once_are_the_machines_loss(errors: float) -> None:
    found = first(shop(cart=errors, bank=errors))
    assert (found.service, found.kind) == ("host-1", "node loss")
    assert "2 of the 2 services" in found.reason
    assert found.path == ("host-1", "bank", "gate")


def test_what_a_lost_machine_explains_is_said_of_its_services() -> None:
    suspects = default_ranker().rank(shop(cart=float("nan"), bank=float("nan"))).suspects
    cart = next(s for s in suspects if s.service == "cart")
    assert any(e.kind == "explained by others" and e.strength < 0 for e in cart.evidence)


def test_one_service_in_trouble_is_not_its_machines_fault() -> None:
    assert first(shop(cart=0.4)).service == "cart"


def test_trouble_on_all_machines_alike_is_no_machines_fault() -> None:
    found = first(shop(cart=0.4, bank=0.4, mail=0.4, news=0.4, user=0.4))
    assert not found.service.startswith("host")


def test_trouble_that_runs_up_a_call_is_not_shared() -> None:
    case = shop(cart=0.4, bank=0.4)
    chained = replace(case, graph=ServiceGraph([*CALLS, ("cart", "bank")]))
    assert first(chained).service == "bank"


def test_a_dependency_of_several_that_nobody_measures_is_a_node_too() -> None:
    case = shop(cart=0.4, bank=0.4)
    shared = [("cart", "store"), ("bank", "store")]
    found = first(replace(case, placement={}, graph=ServiceGraph([*CALLS, *shared])))
    assert (found.service, found.kind) == ("store", "dependency outage")


def test_a_dependency_whose_callers_stop_reporting_is_a_lost_node() -> None:
    case = shop(cart=float("nan"), bank=float("nan"))
    shared = [("cart", "store"), ("bank", "store")]
    found = first(replace(case, placement={}, graph=ServiceGraph([*CALLS, *shared])))
    assert (found.service, found.kind) == ("store", "node loss")


def test_a_machine_starved_of_its_own_resources_is_short_of_them() -> None:
    case = shop(cart=0.4, bank=0.4)
    load = np.random.default_rng(2).normal(40, 2, (ROWS, 1))
    load[SPLIT:] = 99
    case = replace(case, columns=(*case.columns, Column("host-1", "cpu_pct")), values=np.hstack([case.values, load]))
    found = first(case)
    assert (found.service, found.kind, found.metric) == ("host-1", "exhaustion", "cpu_pct")


def test_placements_of_unknown_services_and_on_themselves_are_left_out() -> None:
    odd = replace(shop(cart=0.4), placement={"nobody": "host-9", "cart": "cart", "bank": ""})
    found = default_ranker().rank(odd)
    assert found.suspects[0].service == "cart"
    assert {s.service for s in found.suspects} == set(SERVICES)


def test_without_the_evidence_the_machine_is_not_named() -> None:
    ranker = FusedRanker(frozenset({"co-location"}))
    assert ranker.rank(shop(cart=float("nan"), bank=float("nan"))).suspects[0].service != "host-1"


def test_the_contract_holds_with_placements() -> None:
    check_ranker(default_ranker())
    case = shop(cart=0.4, bank=0.4)
    turned = replace(case, placement=dict(reversed(HOSTS.items())))
    assert default_ranker().rank(case) == default_ranker().rank(turned)


def test_a_service_that_works_hard_itself_is_no_witness_against_its_machine() -> None:
    case = shop(cart=0.4)
    load = np.random.default_rng(2).normal(40, 2, (ROWS, 1))
    load[SPLIT:] = 99
    values = np.hstack([case.values, load])
    values[SPLIT:, case.columns.index(Column("cart", "cpu_cores"))] = 3.0
    edges = [*CALLS, *HOSTS.items()]
    columns = (*case.columns, Column("host-1", "cpu_pct"))
    for graph, placement in ((case.graph, HOSTS), (ServiceGraph(edges), {})):
        assert first(replace(case, columns=columns, values=values, graph=graph, placement=placement)).service == "cart"
