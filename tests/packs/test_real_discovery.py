"""Looking around on a real Prometheus through the client the service uses."""

from __future__ import annotations

import asyncio
import time

import pytest

from aiops.discovery import discover
from aiops.graphs.merged import GraphKeeper
from aiops.graphs.metrics import metrics_graphs
from aiops.packs.load import built_in
from aiops.packs.match import present
from aiops.sources.prometheus import Connection, PrometheusClient

pytestmark = pytest.mark.service

DURATION = "http_server_request_duration_seconds"
SERIES = {
    f'{DURATION}_count{{job="shop/cart",http_response_status_code="200"}}': 1.0,
    f'{DURATION}_count{{job="shop/cart",http_response_status_code="500"}}': 1.0,
    f'{DURATION}_bucket{{job="shop/cart",le="0.1"}}': 1.0,
    f'{DURATION}_bucket{{job="shop/cart",le="+Inf"}}': 2.0,
    f'{DURATION}_count{{job="shop/web",http_response_status_code="200"}}': 5.0,
    'traces_service_graph_request_total{client="web",server="cart"}': 1.0,
    'traces_service_graph_request_total{client="user",server="web"}': 1.0,
    'pg_up{job="db"}': 1.0,
}


def test_a_real_server_is_looked_at_as_the_service_will(prometheus):
    real = prometheus(SERIES, int(time.time()) // 15 * 15)

    async def look():
        client = PrometheusClient(Connection(real.url))
        try:
            found = present(built_in(), await client.metric_names())
            rules = [rule for pack in found.values() for rule in pack.edges]
            keeper = GraphKeeper(metrics_graphs("main", client, rules))
            return await discover(client, built_in()), await keeper.refresh(1), keeper.health()
        finally:
            await client.aclose()

    plan, graph, health = asyncio.run(look())
    assert {one.pack.name: one.services for one in plan.packs} == {
        "otel_http": ("cart", "web"),
        "servicegraph": ("web",),  # calls web makes; what it answers is told by otel_http
        "postgresql": ("db",),
    }
    signals = {(one.recipe.signal.name, *one.services) for one in plan.packs[0].signals}
    assert signals == {
        ("latency_p95", "cart"),
        ("latency_p50", "cart"),
        ("error_ratio", "cart", "web"),
        ("requests_rate", "cart", "web"),
    }
    assert plan.problems == ()
    assert list(graph.edges()) == [("web", "cart", 1)]
    assert [one.error for one in health] == [""]
