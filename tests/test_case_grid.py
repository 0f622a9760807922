"""Whose rows a case is made of when no anomaly says so."""

import numpy as np

from aiops.cases import Past, build_case
from aiops.history import History
from aiops.model import Block, Event, Incident, SeriesKey, Signal
from aiops.series import SeriesTable
from rca import ServiceGraph

LATENCY = Signal("latency_p95", "latency", "s")
START_MS = 1_790_000_000_000


def past(services, rows, step_s=1.0):
    table, history = SeriesTable(), History()
    ids = np.array([table.add(SeriesKey("latency_p95", s), LATENCY) for s in services], dtype=np.int32)
    if rows:
        times = START_MS + int(step_s * 1000) * np.arange(rows, dtype=np.int64)
        history.append(Block(times, ids, np.ones((rows, len(ids)))))
    return Past(table, history, step_s)


def alert_only(service):
    alert = Event("a", START_MS + 90_000, service, "alert", "GatewaySlow", status="firing")
    return Incident("i", "forming", "t", "critical", alert.time_ms, alert.time_ms, services=(service,), alerts=(alert,))


def columns_and_rows(pasts, service="gateway"):
    case = build_case(alert_only(service), pasts, ServiceGraph([("gateway", "cart")]), START_MS + 100_000)
    return {c.service for c in case.columns}, case.values.shape[0], case.step_s


def test_a_source_that_gets_nothing_lends_no_rows_to_a_case_of_alerts_alone():
    silent, speaking = past([], 0, step_s=30.0), past(["gateway", "cart"], 100)
    assert columns_and_rows([silent, speaking]) == ({"gateway", "cart"}, 96, 1.0)
    assert columns_and_rows([speaking, silent]) == ({"gateway", "cart"}, 96, 1.0)


def test_the_source_that_knows_the_alerts_service_lends_its_rows():
    other, right = past(["batch"], 4, step_s=30.0), past(["gateway", "cart"], 100)
    assert columns_and_rows([other, right])[1:] == (96, 1.0)


def test_no_source_gives_an_empty_case():
    assert columns_and_rows([]) == (set(), 0, 60.0)
