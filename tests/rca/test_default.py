from dataclasses import replace
from itertools import pairwise

import numpy as np

from rca import Case, Change, Column, ServiceGraph, Symptom, default_ranker
from rca.checks import example_case

CALLS = (("gateway", "checkout"), ("gateway", "catalogue"), ("checkout", "payments"), ("checkout", "cart"))
SIGNALS = {"latency_p95": 0.2, "error_ratio": 0.001, "requests_rate": 40.0, "cpu_cores": 0.4, "memory_bytes": 3e8}
STEP_MS = 15_000


def live_case(seed: int = 1, *, kind: str = "errors", abnormal: int = 3) -> Case:
    """As the service builds them: many missing values, few abnormal rows."""
    rng = np.random.default_rng(seed)
    graph = ServiceGraph(CALLS)
    columns = [Column(service, signal) for service in graph.services() for signal in SIGNALS]
    columns += [Column(a, signal, b) for a, b in CALLS for signal in ("client_latency_p95", "client_error_ratio")]
    centre = np.array([SIGNALS.get(c.metric.removeprefix("client_"), 0.0) for c in columns])
    values = centre * np.exp(0.1 * rng.standard_normal((90 + abnormal, len(columns))))
    values[rng.random(values.shape) < 0.15] = np.nan
    return Case(
        name="live",
        times=STEP_MS * np.arange(90 + abnormal, dtype=np.int64),
        abnormal=np.arange(90 + abnormal) >= 90,
        columns=tuple(columns),
        values=values,
        graph=graph,
        symptom=Symptom("gateway", "error_ratio" if kind == "errors" else "latency_p95", kind),  # type: ignore[arg-type]
        trigger_ms=90 * STEP_MS,
        step_s=15.0,
    )


def put(case: Case, service: str, metric: str, value: float, peer: str = "") -> None:
    case.values[90:, case.columns.index(Column(service, metric, peer))] = value


def spread_errors(case: Case, *path: str) -> None:
    """Errors seen by each service of a call path, the symptom first."""
    for size, (caller, callee) in enumerate(pairwise(path)):
        put(case, caller, "error_ratio", 0.3 + 0.1 * size)
        put(case, caller, "client_error_ratio", 0.4 + 0.1 * size, callee)


def test_a_crashed_service_that_stopped_reporting_is_first() -> None:
    case = live_case()
    spread_errors(case, "gateway", "checkout", "payments")
    lost = [i for i, c in enumerate(case.columns) if c.service == "payments"]
    case.values[90:, lost] = np.nan
    first = default_ranker().rank(case).suspects[0]
    assert first.service == "payments"
    assert "stopped reporting" in first.reason
    assert first.path == ("payments", "checkout", "gateway")


def test_a_service_nobody_calls_any_more_is_not_blamed_for_its_silence() -> None:
    case = live_case()
    spread_errors(case, "gateway", "checkout")
    put(case, "checkout", "error_ratio", 0.5)
    quiet = [
        i
        for i, c in enumerate(case.columns)
        if c.service in ("payments", "cart") and c.metric.startswith(("lat", "err"))
    ]
    case.values[90:, quiet] = np.nan
    assert default_ranker().rank(case).suspects[0].service == "checkout"


def test_errors_are_traced_to_the_service_that_makes_them() -> None:
    case = live_case()
    spread_errors(case, "gateway", "checkout", "payments")
    put(case, "payments", "error_ratio", 0.6)
    first = default_ranker().rank(case).suspects[0]
    assert (first.service, first.metric) == ("payments", "error_ratio")


def test_a_deploy_on_the_deviating_service_names_the_cause() -> None:
    case = live_case(kind="latency")
    for service in ("gateway", "checkout", "payments"):
        put(case, service, "latency_p95", 1.5)
    deploy = Change(88 * STEP_MS, "payments", "deploy", "payments 2.1")
    decoys = (Change(89 * STEP_MS, "catalogue", "deploy", "x"), Change(86 * STEP_MS, "cart", "config", "y"))
    first = default_ranker().rank(replace(case, changes=(deploy, *decoys))).suspects[0]
    assert (first.service, first.kind, first.change) == ("payments", "deploy", deploy)
    assert "payments 2.1" in first.reason


def test_a_harmless_deploy_does_not_win_over_a_clear_cause() -> None:
    case = live_case(kind="latency")
    for service in ("gateway", "checkout", "payments"):
        put(case, service, "latency_p95", 1.5)
    decoys = tuple(Change(90 * STEP_MS, s, "deploy") for s in ("catalogue", "cart", "checkout", "gateway"))
    assert default_ranker().rank(replace(case, changes=decoys)).suspects[0].service == "payments"


def test_time_lost_between_two_services_is_the_callees_network() -> None:
    case = live_case(kind="latency")
    put(case, "gateway", "latency_p95", 1.0)
    put(case, "gateway", "client_latency_p95", 1.0, "catalogue")
    first = default_ranker().rank(case).suspects[0]
    assert (first.service, first.kind) == ("catalogue", "network")


def test_a_calm_case_is_unknown() -> None:
    assert default_ranker().rank(live_case()).unknown


def test_the_symptoms_own_fault_is_found() -> None:
    case = live_case(kind="latency")
    put(case, "gateway", "latency_p95", 2.0)
    put(case, "gateway", "cpu_cores", 2.0)
    first = default_ranker().rank(case).suspects[0]
    assert (first.service, first.path) == ("gateway", ("gateway",))


def test_reasons_carry_numbers_and_end_in_the_symptom() -> None:
    first = default_ranker().rank(example_case()).suspects[0]
    assert "db" not in first.reason.split(), "who shows it names the service before it"
    assert any(letter.isdigit() for letter in first.reason)
    assert first.path[-1] == "shop"
    assert all(e.text for e in first.evidence)
