"""Calls that are all refused at once, and what only looks like it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from simulation import FAULTS, simulate

from rca import Case, Column, ServiceGraph, Suspect, Symptom, default_ranker

SPLIT, ROWS = 100, 106
USUAL = {
    Column("gate", "error_ratio"): 0.001,
    Column("gate", "latency_p95"): 0.2,
    Column("gate", "client_error_ratio", "bank"): 0.001,
    Column("gate", "client_latency_p95", "bank"): 0.1,
    Column("gate", "client_error_ratio", "mail"): 0.001,
    Column("gate", "client_latency_p95", "mail"): 0.1,
    Column("bank", "latency_p95"): 0.08,
    Column("bank", "cpu_cores"): 0.5,
    Column("bank", "memory_bytes"): 3e8,
    Column("mail", "latency_p95"): 0.08,
}
REFUSED = {"gate|error_ratio": 0.9, "gate>bank|client_error_ratio": 1.0, "gate>bank|client_latency_p95": 0.004}


def title(column: Column) -> str:
    return f"{column.service}{'>' if column.peer else ''}{column.peer}|{column.metric}"


def refusal(*, from_row: int = SPLIT, **also: float) -> Case:
    """A bank that refuses all calls; `also` are further levels, `__` for the bar."""
    rng = np.random.default_rng(1)
    columns = tuple(USUAL)
    values = np.tile(list(USUAL.values()), (ROWS, 1)) * np.exp(0.05 * rng.standard_normal((ROWS, len(columns))))
    levels = {**REFUSED, **{name.replace("__", "|"): level for name, level in also.items()}}
    for i, column in enumerate(columns):
        if title(column) in levels:
            values[from_row:, i] = levels[title(column)]
    return Case(
        name="refusal",
        times=np.arange(ROWS, dtype=np.int64) * 60_000,
        abnormal=np.arange(ROWS) >= SPLIT,
        columns=columns,
        values=values,
        graph=ServiceGraph([("gate", "bank"), ("gate", "mail")]),
        symptom=Symptom("gate", "error_ratio", "errors"),
        trigger_ms=SPLIT * 60_000,
        step_s=60.0,
    )


def first(case: Case) -> Suspect:
    return default_ranker().rank(case).suspects[0]


def test_a_service_that_refuses_every_call_at_once_has_a_certificate_or_quota() -> None:
    found = first(refusal())
    assert (found.service, found.kind) == ("bank", "certificate or quota")
    assert any("100% of its calls fail since it began" in e.text for e in found.evidence)


@pytest.mark.parametrize(
    "levels",
    [
        {"bank__cpu_cores": 4.0},
        {"bank__memory_bytes": 9e8},
        {"bank__latency_p95": 0.4},
        {"bank__cpu_cores": np.nan, "bank__memory_bytes": np.nan, "bank__latency_p95": np.nan},
    ],
    ids=["busy", "short of memory", "slow", "silent"],
)
def test_what_is_overloaded_slow_or_silent_refuses_nothing(levels: dict[str, float]) -> None:
    found = first(refusal(**levels))
    assert found.service == "bank"
    assert found.kind != "certificate or quota"


def test_what_fails_bit_by_bit_refuses_nothing() -> None:
    case = refusal(from_row=SPLIT + 3)
    assert first(case).kind != "certificate or quota"


def test_a_part_of_the_calls_is_no_refusal() -> None:
    case = refusal()
    values = case.values.copy()
    values[SPLIT:, case.columns.index(Column("gate", "client_error_ratio", "bank"))] = 0.6
    assert first(replace(case, values=values)).kind != "certificate or quota"


def test_a_service_outside_stays_a_dependency_outage() -> None:
    case = refusal()
    kept = [i for i, column in enumerate(case.columns) if column.service != "bank"]
    outside = replace(case, columns=tuple(case.columns[i] for i in kept), values=case.values[:, kept])
    assert (first(outside).service, first(outside).kind) == ("bank", "dependency outage")


def test_no_other_simulated_fault_is_called_so() -> None:
    told = {f: [first(simulate(f, seed).case).kind for seed in range(100, 104)] for f in FAULTS}
    assert {f for f, kinds in told.items() if "certificate or quota" in kinds} == {"certificate expired"}
    assert told["certificate expired"].count("certificate or quota") >= 2
