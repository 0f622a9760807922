import networkx as nx
import numpy as np
import pytest

from aiops.demo.exporters import BOUNDS_S, Exporters, Restart
from aiops.demo.faults import Fault
from aiops.demo.shop import Shop, season
from aiops.demo.topology import CALLS, NAMES, SERVICES

START_MS = 1_794_960_000_000 // 60_000 * 60_000
MINUTE_MS = 60_000
DAY = 1440


def at(name):
    return NAMES.index(name)


def run(steps, faults=(), seed=3, restarts=()):
    shop = Shop(seed=seed, start_ms=START_MS, faults=faults).take(steps)
    exporters = Exporters(seed=seed, restarts=restarts)
    return shop, exporters.read(shop), [dict(pairs) for pairs in exporters.labels]


def fault(kind, service, *, begin=60, end=120, size=1.0):
    return Fault(kind, service, START_MS + begin * MINUTE_MS, START_MS + end * MINUTE_MS, size)


def columns(labels, name, **wanted):
    return [
        j
        for j, pairs in enumerate(labels)
        if pairs["__name__"] == name and all(pairs.get(k) == v for k, v in wanted.items())
    ]


def test_callers_stand_before_callees_so_that_one_pass_adds_up():
    graph = nx.DiGraph((c.caller, c.callee) for c in CALLS)
    assert nx.is_directed_acyclic_graph(graph)
    assert all(at(c.caller) < at(c.callee) for c in CALLS)
    assert 12 <= len(SERVICES) <= 14


def test_cutting_the_time_into_stretches_changes_no_sample():
    faults = (fault("bad deploy", "payments"),)
    restarts = (Restart(START_MS + 90 * MINUTE_MS, "cart", crashed=True),)
    _, whole, _ = run(150, faults, restarts=restarts)
    shop = Shop(seed=3, start_ms=START_MS, faults=faults)
    exporters = Exporters(seed=3, restarts=restarts)
    parts = [exporters.read(shop.take(n)) for n in (1, 89, 1, 59)]
    np.testing.assert_allclose(np.vstack(parts), whole, rtol=1e-12)


def test_another_seed_or_start_is_another_shop():
    _, one, _ = run(5)
    _, other, _ = run(5, seed=4)
    later = Exporters(seed=3).read(Shop(seed=3, start_ms=START_MS + 7 * MINUTE_MS * 60).take(5))
    assert not np.allclose(one, other)
    assert not np.allclose(one, later)


def test_traffic_has_a_trough_at_night_a_peak_in_the_evening_and_quiet_weekends():
    hour_ms = 3_600_000
    monday_ms = 1_794_787_200_000  # 2026-11-16T00:00Z
    week = season(monday_ms + hour_ms * np.arange(7 * 24)).reshape(7, 24)
    assert abs(week.mean() - 1) < 0.05
    assert set(week[:5].argmin(axis=1)) <= {3, 4, 5, 6, 7}
    assert set(week[:5].argmax(axis=1)) <= {18, 19, 20}
    assert week[5:].mean() < 0.9 * week[:5].mean()


def test_a_bad_deploy_slows_and_fails_its_callers_and_leaves_its_callees_alone():
    shop, _, _ = run(120, (fault("bad deploy", "payments"),))
    usual, wrong = slice(0, 60), slice(65, 120)
    mean = shop.mean[wrong].mean(axis=0) / shop.mean[usual].mean(axis=0)
    failing = shop.failing[wrong].mean(axis=0)
    assert mean[at("payments")] > 3
    assert mean[at("payments")] > mean[at("checkout")] > mean[at("gateway")] > 1.2
    assert failing[at("payments")] == pytest.approx(0.08, abs=0.01)
    assert failing[at("payments")] > failing[at("checkout")] > failing[at("gateway")] > 0.004
    for callee in ("fraud", "database", "search", "cart"):
        assert mean[at(callee)] == pytest.approx(1, abs=0.15)
        assert failing[at(callee)] < 0.002


def test_a_fault_ends_when_it_ends_and_its_size_scales_it():
    ends, _, _ = run(200, (fault("latency", "cart"),))
    small, _, _ = run(200, (fault("latency", "cart", size=0.004),))
    clean, _, _ = run(200)
    np.testing.assert_allclose(ends.mean[120:], clean.mean[120:])
    ratio = small.mean[65:120, at("cart")] / clean.mean[65:120, at("cart")]
    assert 1 < ratio.mean() < 1.03


def test_a_crashed_service_answers_no_scrape_calls_nobody_and_fails_its_callers():
    shop, values, labels = run(120, (fault("crash", "orders"),))
    own = columns(labels, "http_server_request_duration_seconds_count", service_name="orders")
    own += columns(labels, "container_memory_working_set_bytes", container="orders")
    assert np.isnan(values[60:, own]).all()
    assert np.isfinite(values[:60, own]).all()
    assert np.isfinite(np.delete(values, columns(labels, "x") + _of_service(labels, "orders"), axis=1)).all()
    total = columns(labels, "traces_service_graph_request_total", client="orders", server="database")
    assert (np.diff(values[60:, total], axis=0) == 0).all()
    edge = {"client": "checkout", "server": "orders"}
    asked = np.diff(values[59:, columns(labels, "traces_service_graph_request_total", **edge)], axis=0)
    failed = np.diff(values[59:, columns(labels, "traces_service_graph_request_failed_total", **edge)], axis=0)
    np.testing.assert_array_equal(asked, failed)
    assert asked.sum() > 0
    assert shop.failing[70:, at("checkout")].min() > 0.5


def _of_service(labels, service):
    http = [j for j, p in enumerate(labels) if p.get("service_name") == service]
    return [*http, *(j for j, p in enumerate(labels) if p.get("container") == service)]


@pytest.mark.parametrize(("kind", "field"), [("errors", "failing"), ("saturation", "cpu"), ("leak", "memory")])
def test_each_further_fault_moves_what_it_is_named_after(kind, field):
    wrong, _, _ = run(120, (fault(kind, "fraud"),))
    clean, _, _ = run(120)
    more = getattr(wrong, field)[119] / getattr(clean, field)[119]
    assert more[at("fraud")] > 1.8
    assert more[at("cache")] == pytest.approx(1)


def test_histograms_are_cumulative_in_le_and_agree_with_count_and_sum():
    shop, values, labels = run(300)
    own = {"service_name": "checkout", "http_response_status_code": "200"}
    buckets = values[:, columns(labels, "http_server_request_duration_seconds_bucket", **own)]
    count = values[:, columns(labels, "http_server_request_duration_seconds_count", **own)][:, 0]
    took = values[:, columns(labels, "http_server_request_duration_seconds_sum", **own)][:, 0]
    assert buckets.shape[1] == len(BOUNDS_S) + 1
    assert (np.diff(buckets, axis=1) >= 0).all()
    np.testing.assert_array_equal(buckets[:, -1], count)
    j = at("checkout")
    expected_s = np.average(shop.mean[:, j], weights=shop.rate[:, j])
    assert took[-1] / count[-1] == pytest.approx(expected_s, rel=0.01)
    below = buckets[-1, BOUNDS_S.index(0.1)] / count[-1]
    assert 0.02 < below < 0.5  # the mean is 0.18 s: a tenth of a second is below the median


def test_counters_only_grow_but_for_a_restart_which_takes_its_own_service_to_zero():
    when = START_MS + 90 * MINUTE_MS
    _, values, labels = run(120, restarts=(Restart(when, "cart", crashed=True), Restart(when, "orders")))
    counters = [j for j, p in enumerate(labels) if p["__name__"].endswith(("_total", "_bucket", "_count", "_sum"))]
    fell = {labels[j].get("service_name") or labels[j].get("container") for j in counters if _falls(values[:, j])}
    assert fell == {"cart", "orders"}
    assert all(np.flatnonzero(np.diff(values[:, j]) < 0).tolist() in ([], [89]) for j in counters)
    restarts = values[:, columns(labels, "kube_pod_container_status_restarts_total", container="cart")][:, 0]
    assert restarts.tolist() == [0.0] * 90 + [1.0] * 30
    deployed = columns(labels, "kube_pod_container_status_restarts_total", container="orders")
    assert (values[:, deployed] == 0).all()


def _falls(column):
    return bool((np.diff(column) < 0).any())


def test_every_series_is_named_once_with_sorted_labels():
    labels = Exporters(seed=0).labels
    assert len(set(labels)) == len(labels)
    assert all(list(pairs) == sorted(pairs) for pairs in labels)
    assert 300 <= len(labels) <= 500
