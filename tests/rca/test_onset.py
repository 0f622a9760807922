"""What began first, as far as steps can tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rca import Case, Column, ServiceGraph, Symptom
from rca.default import FusedRanker
from rca.facts import facts
from rca.onset import onset_order, onsets
from rca.view import view

STEP_MS = 15_000
SPLIT, ROWS = 100, 110
SERVICES = ("gate", "cart", "bank")


def staggered(**began: int) -> Case:
    """Three services that become slow, each in a row of its own."""
    rng = np.random.default_rng(1)
    columns = tuple(Column(service, "latency_mean") for service in SERVICES)
    values = np.exp(0.05 * rng.standard_normal((ROWS, len(columns)))) * [0.5, 0.1, 0.1]
    for service, row in began.items():
        values[row:, SERVICES.index(service)] += 1.0
    return Case(
        name="staggered",
        times=np.arange(ROWS, dtype=np.int64) * STEP_MS,
        abnormal=np.arange(ROWS) >= SPLIT,
        columns=columns,
        values=values,
        graph=ServiceGraph([("gate", "cart"), ("gate", "bank")]),
        symptom=Symptom("gate", "latency_mean", "latency"),
        trigger_ms=SPLIT * STEP_MS,
        step_s=STEP_MS / 1000,
    )


def test_onsets_are_found_before_the_trigger_too() -> None:
    found = onsets(facts(view(staggered(gate=100, cart=88, bank=104))))
    assert (found / STEP_MS).tolist() == [104, 88, 100]


def test_one_odd_row_is_no_onset_and_calm_has_none() -> None:
    case = staggered(gate=100, cart=100)
    values = case.values.copy()
    values[90, 1] += 1.0
    found = onsets(facts(view(replace(case, values=values))))
    assert found[1] == 100 * STEP_MS
    assert np.isnan(found[0])


def test_beginning_first_speaks_for_a_service_and_decides_nothing_alone() -> None:
    case = staggered(gate=100, cart=92, bank=100)
    told, untold = (
        next(s for s in FusedRanker(frozenset({without})).rank(case).suspects if s.service == "cart")
        for without in ("", "onset order")
    )
    assert 0 < told.weight - untold.weight <= 0.5
    assert any("began 2 min before the symptom's" in e.text for e in told.evidence)


@pytest.mark.parametrize("row", [99, 100, 101])
def test_one_step_either_way_is_no_order(row: int) -> None:
    (told,), excused = onset_order(facts(view(staggered(gate=100, cart=row))))
    assert not told.strength.any()
    assert not excused.any()


def test_beginning_clearly_later_speaks_against() -> None:
    _, excused = onset_order(facts(view(staggered(gate=100, cart=100, bank=105))))
    assert (excused > 0).tolist() == [True, False, False]


def test_order_of_rows_does_not_matter() -> None:
    case = staggered(gate=100, cart=88, bank=104)
    turned = replace(case, times=case.times[::-1], values=case.values[::-1], abnormal=case.abnormal[::-1])
    np.testing.assert_array_equal(onsets(facts(view(case))), onsets(facts(view(turned))))
