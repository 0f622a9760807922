"""From an incident to what a ranker sees."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from aiops import cases
from aiops.cases import Past, build_case, metric_name, symptom
from aiops.history import History
from aiops.model import Anomaly, Block, Event, Incident, SeriesKey, Signal
from aiops.series import SeriesTable
from aiops.wire import decode_case, encode_case
from rca import Column, ServiceGraph, Symptom
from rca.case_folder import read_case, write_case

STEP_MS = 30_000
T0 = 1_700_000_010_000


def past(services, rows, step_s=30.0, start_ms=T0, signal="latency_p95"):
    """`rows` rows; the value of column c in row r is 100 c + r."""
    table, history = SeriesTable(), History()
    ids = [table.add(SeriesKey(signal, service), Signal(signal, "latency", "s")) for service in services]
    times = start_ms + int(1000 * step_s) * np.arange(rows)
    values = np.arange(rows)[:, None] + 100.0 * np.arange(len(services))
    history.append(Block(times, np.array(ids, np.int32), values))
    return Past(table, history, step_s)


def anomaly(service, signal="latency_p95", kind="latency", *, pages=True, started_ms=T0 + 10 * STEP_MS, name=""):
    key = SeriesKey(signal, service)
    return Anomaly(
        name or f"{service}{signal}", key, kind, "s", "up", pages, started_ms, started_ms, None, 2, 1, 0, 1, 9, 9
    )


def alert(name, service, labels=(), time_ms=T0, description=""):
    return Event(name, time_ms, service, "alert", description, status="firing", labels=labels)


def incident(*anomalies, alerts=(), events=(), services=None, started_ms=T0 + 10 * STEP_MS):
    named = {a.series.service for a in anomalies} | {e.service for e in alerts}
    return Incident(
        "i1",
        "open",
        "",
        "warning",
        started_ms,
        started_ms,
        services=tuple(sorted(named)) if services is None else services,
        anomalies=anomalies,
        alerts=alerts,
        events=events,
    )


CALLS = ServiceGraph([("web", "cart"), ("cart", "db")])


def test_rows_before_and_in_the_incident_are_marked_and_the_guard_rows_left_out():
    case = build_case(incident(anomaly("db")), [past(["web", "cart", "db"], 20)], CALLS, T0 + 15 * STEP_MS)
    rows = ((case.times - T0) // STEP_MS).tolist()
    assert rows == [0, 1, 2, 3, 4, 9, 10, 11, 12, 13, 14, 15]
    assert case.abnormal.tolist() == [False] * 5 + [True] * 7
    assert case.columns == tuple(Column(s, "latency_p95") for s in ("web", "cart", "db"))
    assert case.values[:, 2].tolist() == [200.0 + row for row in rows]
    assert (case.name, case.trigger_ms, case.step_s, case.graph) == ("i1", T0 + 10 * STEP_MS, 30.0, CALLS)
    assert case.symptom == Symptom("db", "latency_p95", "latency")


def test_a_slower_shard_is_put_on_the_grid_of_the_symptom_and_not_beyond_its_step():
    slow = past(["disk"], 3, step_s=60.0, start_ms=T0 - 60_000, signal="queue_depth")
    case = build_case(incident(anomaly("db")), [slow, past(["db"], 12)], ServiceGraph(), T0 + 11 * STEP_MS)
    column = [c.service for c in case.columns].index("disk")
    # Its rows at -60 s, 0 s and 60 s serve 60 s each; the case's rows are 0..4 and 9..11 of 30 s.
    assert np.array_equal(case.values[:, column], [1, 1, 2, 2, *[np.nan] * 4], equal_nan=True)


def test_a_faster_shard_gives_its_latest_value():
    fast = past(["disk"], 100, step_s=10.0, signal="queue_depth")
    case = build_case(incident(anomaly("db")), [fast, past(["db"], 12)], ServiceGraph(), T0 + 11 * STEP_MS)
    assert case.values[:, 0].tolist() == [0.0, 3.0, 6.0, 9.0, 12.0, 27.0, 30.0, 33.0]


def test_a_shard_without_rows_is_all_missing():
    case = build_case(incident(anomaly("db")), [past(["db"], 12), past(["disk"], 0)], CALLS, T0 + 11 * STEP_MS)
    assert np.isnan(case.values[:, 1]).all()


def test_services_far_away_are_left_out_and_those_no_trace_names_stay(monkeypatch):
    chain = [f"s{i}" for i in range(8)]
    graph = ServiceGraph(list(itertools.pairwise(chain)))
    near = build_case(incident(anomaly("s0")), [past([*chain, "node-1"], 12)], graph, T0 + 11 * STEP_MS)
    assert [c.service for c in near.columns] == ["s0", "s1", "s2", "s3", "s4", "node-1"]
    monkeypatch.setattr(cases, "MAX_COLUMNS", 3)
    fewest = build_case(incident(anomaly("s2")), [past([*chain, "node-1"], 12)], graph, T0 + 11 * STEP_MS)
    assert [c.service for c in fewest.columns] == ["s1", "s2", "s3"]


def test_where_the_graph_knows_nobody_the_incidents_own_columns_come_first(monkeypatch):
    monkeypatch.setattr(cases, "MAX_COLUMNS", 2)
    case = build_case(incident(anomaly("z")), [past(["a", "b", "z"], 12)], ServiceGraph(), T0 + 11 * STEP_MS)
    assert [c.service for c in case.columns] == ["a", "z"]


def test_changes_of_the_incident_are_in_the_case():
    deploy = Event("d", T0 + 5, "db", "deploy", "v2", "http://ci/1")
    (change,) = build_case(incident(anomaly("db"), events=(deploy,)), [past(["db"], 12)], CALLS, T0).changes
    assert (change.time_ms, change.service, change.kind, change.description, change.url) == (
        T0 + 5,
        "db",
        "deploy",
        "v2",
        "http://ci/1",
    )


def test_without_shards_or_members_there_is_an_empty_case():
    case = build_case(incident(), [], ServiceGraph(), T0)
    assert case.values.shape == (0, 0)
    assert case.symptom == Symptom("", "", "latency")
    assert case.step_s == 60.0


@pytest.mark.parametrize("alone", [True, False])
def test_a_case_survives_the_wire_and_a_folder(tmp_path, alone):
    members = {"alerts": (alert("a", "web", (("alertname", "HighErrorRate"),)),)} if alone else {}
    given = incident(*(() if alone else (anomaly("db"),)), **members)
    case = build_case(given, [past(["web", "cart", "db"], 20)], CALLS, T0 + 15 * STEP_MS)
    sent = decode_case(encode_case(case))
    write_case(sent, tmp_path / "i1")
    again = read_case(tmp_path / "i1")
    for other in (sent, again):
        assert (other.symptom, other.columns, other.trigger_ms, other.step_s) == (
            case.symptom,
            case.columns,
            case.trigger_ms,
            case.step_s,
        )
        assert np.array_equal(other.values, case.values, equal_nan=True)
        assert np.array_equal(other.abnormal, case.abnormal)
        assert set(other.graph.services()) == set(case.graph.services())


# -- where it hurts


def test_the_symptom_is_the_paging_anomaly_nobody_of_the_incident_calls():
    evidence = anomaly("web", "cpu_cores", "saturation", pages=False)
    assert symptom(incident(anomaly("db"), anomaly("cart"), evidence), CALLS).service == "cart"


def test_lost_traffic_is_the_symptom_only_when_nothing_else_hurts():
    lost, slow = anomaly("web", "requests_rate", "traffic", started_ms=T0), anomaly("web", started_ms=T0 + 9)
    assert symptom(incident(lost, slow), CALLS).kind == "latency"
    assert symptom(incident(lost), CALLS).kind == "traffic"


def test_an_alert_serves_where_no_anomaly_pages():
    evidence = anomaly("db", "cpu_cores", "saturation", pages=False)
    errors = alert("a", "cart", (("alertname", "Http5xx"),))
    assert symptom(incident(evidence, alerts=(errors,)), CALLS) == Symptom("cart", "error_ratio", "errors")
    slow = alert("b", "web", description="Latency is high")
    assert symptom(incident(alerts=(errors, slow)), CALLS) == Symptom("web", "latency_p95", "latency")
    nameless = alert("c", "", time_ms=T0 - 1, description="strange")
    assert symptom(incident(alerts=(nameless, errors)), CALLS).service == "cart"
    assert symptom(incident(alerts=(nameless,)), CALLS) == Symptom("", "latency_p95", "latency")


def test_evidence_is_the_symptom_of_last_resort():
    evidence = anomaly("db", "cpu_cores", "saturation", pages=False)
    assert symptom(incident(evidence), CALLS) == Symptom("db", "cpu_cores", "saturation")


def test_a_metrics_name_tells_series_apart_and_fits_into_a_header():
    key = SeriesKey("queue_depth", "mq", labels=(("queue", "a|b>c"), ("vhost", "/")))
    assert metric_name(key) == "queue_depth.a_b_c./"
