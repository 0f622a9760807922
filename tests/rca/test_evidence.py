"""Evidence that the live signals do not show: traces, logs, and calls."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rca import Case, Column, ServiceGraph, Symptom, default_ranker
from rca.facts import Facts, facts
from rca.latency_series import latency_series
from rca.learn import LEARNT_NOTE
from rca.per_request import logs_per_request, skipped_calls
from rca.view import view

SPLIT, ROWS = 100, 106


def case_of(
    series: dict[Column, tuple[float, float]], edges: list[tuple[str, str]], seed: int = 1, **kind: str
) -> Case:
    """A case from the normal and abnormal level of each column, with 5 % noise."""
    rng = np.random.default_rng(seed)
    levels = np.array([[before] * SPLIT + [after] * (ROWS - SPLIT) for before, after in series.values()]).T
    return Case(
        name="made",
        times=np.arange(ROWS, dtype=np.int64) * 60_000,
        abnormal=np.arange(ROWS) >= SPLIT,
        columns=tuple(series),
        values=levels * (1 + 0.05 * rng.standard_normal(levels.shape)),
        graph=ServiceGraph(edges),
        symptom=Symptom("gate", kind.get("metric", "latency_mean"), "latency"),
        trigger_ms=SPLIT * 60_000,
        step_s=60.0,
    )


def known(case: Case) -> Facts:
    return facts(view(case))


def traced(**changed: tuple[float, float]) -> dict[Column, tuple[float, float]]:
    """Spans of three services; keys of `changed` are service__metric."""
    usual = {"span_count": 50.0, "span_self_p50": 2000.0, "log_lines": 100.0, "log_errors": 0.0}
    found = {Column(s, m): (v, v) for s in ("gate", "cart", "bank") for m, v in usual.items()}
    for name, levels in changed.items():
        service, metric = name.split("__")
        found[Column(service, metric)] = levels
    return found


CALLS = [("gate", "cart"), ("gate", "bank")]


def test_measured_own_time_finds_the_slow_service() -> None:
    first = default_ranker().rank(case_of(traced(cart__span_self_p50=(2000, 9000)), CALLS)).suspects[0]
    assert first.service == "cart"
    assert any(e.kind == "measured share" and "100%" in e.text for e in first.evidence)


def test_time_lost_on_the_way_counts_as_the_services_own() -> None:
    series = traced(bank__span_gap_in_p50=(100, 8000))
    first = default_ranker().rank(case_of(series, CALLS)).suspects[0]
    assert (first.service, first.kind, first.metric) == ("bank", "network", "span_gap_in_p50")


def test_gaps_of_single_calls_are_used_where_no_sum_is_told() -> None:
    series = traced()
    series[Column("gate", "edge_gap_p50", "bank")] = (100, 8000)
    series[Column("gate", "edge_gap_p50", "cart")] = (100, 100)
    assert default_ranker().rank(case_of(series, CALLS)).suspects[0].service == "bank"


def test_a_caller_that_loses_time_on_all_its_calls_is_starved_itself() -> None:
    series = traced()
    for callee in ("cart", "bank"):
        series[Column("gate", "edge_gap_p50", callee)] = (100, 8000)
        series[Column(callee, "span_gap_in_p50")] = (100, 8000)
    assert default_ranker().rank(case_of(series, CALLS)).suspects[0].service == "gate"


def test_fewer_lines_per_request_show_code_that_returns_early() -> None:
    seen = known(case_of(traced(cart__log_lines=(100, 40)), CALLS))
    found = logs_per_request(seen)
    cart = seen.seen.place("cart")
    assert found.z[cart] > 5
    assert seen.seen.columns[int(found.column[cart])].metric == "log_lines"
    assert max(z for s, z in enumerate(found.z) if s != cart) < 3


def test_lines_per_request_are_calm_when_both_rise() -> None:
    seen = known(case_of(traced(cart__log_lines=(100, 300), cart__span_count=(50, 150)), CALLS))
    assert logs_per_request(seen).z[seen.seen.place("cart")] < 3


def test_a_caller_whose_callees_fall_silent_skips_its_calls() -> None:
    series = traced(cart__span_count=(50, 10), bank__span_count=(50, 10))
    seen = known(case_of(series, CALLS))
    found = skipped_calls(seen)
    assert int(np.argmax(found.strength)) == seen.seen.place("gate")
    assert "fewer requests" in found.tell(seen.seen.place("gate"))


def test_a_service_without_the_common_statistic_gets_an_estimate_of_the_mean() -> None:
    series = {
        Column("gate", "latency_mean"): (1.0, 1.0),
        Column("cart", "latency_p50"): (1.0, 1.0),
        Column("cart", "latency_p90"): (3.0, 3.0),
        Column("bank", "latency_max"): (7.0, 7.0),
    }
    case = case_of(series, CALLS)
    seen = view(case)
    rows = np.vstack([seen.normal, seen.abnormal])
    found, column = latency_series(seen, rows)
    # Half of the requests take about 1, two fifths between 1 and 3, the last tenth about 3.
    assert np.median(found[:, seen.place("cart")]) == np.float64(np.median(found[:, seen.place("cart")]))
    np.testing.assert_allclose(np.median(found[:, seen.place("cart")]), 0.5 + 0.8 + 0.3, rtol=0.02)
    np.testing.assert_allclose(np.median(found[:, seen.place("bank")]), 7.0, rtol=0.02)
    assert seen.columns[int(column[seen.place("cart")])].metric == "latency_p50"


def test_the_statistic_most_services_have_is_the_common_one_when_the_symptom_names_none() -> None:
    series = {Column(s, "latency_p95"): (1.0, 1.0) for s in ("gate", "cart")} | {
        Column("bank", "latency_p99"): (2.0, 2.0)
    }
    seen = view(case_of(series, CALLS, metric="requests_rate"))
    _, column = latency_series(seen, np.vstack([seen.normal, seen.abnormal]))
    assert {seen.columns[int(i)].metric for i in column} == {"latency_p95", "latency_p99"}


def test_without_a_graph_the_order_is_learnt_and_marked() -> None:
    series = {
        Column("gate", "latency_mean"): (0.3, 1.3),
        Column("cart", "latency_mean"): (0.2, 1.2),
        Column("bank", "latency_mean"): (0.1, 1.1),
        Column("news", "latency_mean"): (0.1, 0.1),
    }
    ranking = default_ranker().rank(case_of(series, []))
    assert ranking.suspects[0].service == "bank"
    assert ranking.notes[0] == LEARNT_NOTE
    assert ranking.suspects[0].path == ("bank", "cart", "gate")


def test_measured_calls_are_edges_of_the_graph() -> None:
    series = {
        Column("gate", "latency_mean"): (0.3, 1.3),
        Column("gate", "client_latency_mean", "bank"): (0.1, 1.1),
        Column("bank", "latency_mean"): (0.1, 1.1),
    }
    ranking = default_ranker().rank(case_of(series, []))
    assert LEARNT_NOTE not in ranking.notes
    assert ranking.suspects[0].path == ("bank", "gate")


def test_an_outage_known_only_from_callers_is_one_of_a_dependency() -> None:
    series = {
        Column("gate", "latency_mean"): (0.3, 0.3),
        Column("gate", "error_ratio"): (0.001, 0.5),
        Column("gate", "client_error_ratio", "mail"): (0.001, 0.9),
        Column("gate", "client_error_ratio", "bank"): (0.001, 0.001),
    }
    first = default_ranker().rank(case_of(series, [])).suspects[0]
    assert (first.service, first.kind) == ("mail", "dependency outage")


def test_columns_that_differ_only_by_labels_are_one_series() -> None:
    series = {
        Column("gate", "latency_mean"): (1.0, 1.0),
        Column("cart", "requests_rate.read"): (10.0, 10.0),
        Column("cart", "requests_rate.write"): (30.0, 30.0),
        Column("cart", "error_ratio.mail-queue"): (0.2, 0.2),
        Column("cart", "error_ratio.pool"): (0.4, 0.4),
        Column("cart", 'latency_mean{route="a"}'): (2.0, 2.0),
        Column("cart", 'latency_mean{route="b"}'): (4.0, 4.0),
    }
    seen = known(case_of(series, CALLS))
    cart = seen.seen.place("cart")
    for found, expected in ((seen.series.requests, 40.0), (seen.series.errors, 0.3), (seen.series.latency, 3.0)):
        np.testing.assert_allclose(np.median(found[:, cart]), expected, rtol=0.03)


def test_the_symptoms_own_labels_are_kept_apart() -> None:
    series = {Column("gate", "latency_mean.buy"): (1.0, 5.0), Column("gate", "latency_mean.look"): (1.0, 1.0)}
    seen = known(case_of(series, CALLS, metric="latency_mean.buy"))
    np.testing.assert_allclose(np.median(seen.hurt[SPLIT:, seen.seen.symptom]), 5.0, rtol=0.05)


def test_a_symptom_of_no_service_blames_nobody_without_a_name() -> None:
    case = case_of(traced(cart__span_self_p50=(2000, 9000)), CALLS)
    ranking = default_ranker().rank(replace(case, symptom=Symptom("", "", "latency")))
    assert "" not in [s.service for s in ranking.suspects]
    assert ranking.suspects[0].service == "cart"


def test_a_callee_that_answers_late_is_blamed_for_its_callers_timeouts() -> None:
    series = {
        Column("gate", "error_ratio"): (0.001, 0.4),
        Column("gate", "latency_mean"): (0.1, 2.0),
        Column("cart", "latency_mean"): (0.05, 3.0),
        Column("cart", "error_ratio"): (0.001, 0.001),
        Column("bank", "latency_mean"): (0.05, 0.05),
    }
    case = replace(case_of(series, CALLS), symptom=Symptom("gate", "error_ratio", "errors"))
    ranking = default_ranker().rank(case)
    assert ranking.suspects[0].service == "cart"
    assert any(e.kind == "timeouts" for e in ranking.suspects[0].evidence)
    gate = next(s for s in ranking.suspects if s.service == "gate")
    assert any(e.kind == "explained by others" and e.strength < 0 for e in gate.evidence)


def test_a_callee_half_as_slow_again_breaks_no_limit() -> None:
    series = {
        Column("gate", "error_ratio"): (0.001, 0.4),
        Column("gate", "latency_mean"): (0.1, 0.1),
        Column("cart", "latency_mean"): (0.05, 0.08),
        Column("cart", "error_ratio"): (0.001, 0.001),
    }
    case = replace(case_of(series, CALLS), symptom=Symptom("gate", "error_ratio", "errors"))
    assert default_ranker().rank(case).suspects[0].service == "gate"
