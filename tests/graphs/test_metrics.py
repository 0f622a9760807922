from __future__ import annotations

import asyncio
import json
from urllib.parse import parse_qs, urlsplit

import pytest

from aiops.errors import Refused, Unavailable
from aiops.graphs.metrics import metrics_graphs
from aiops.packs import EdgeRule, Selector
from aiops.packs.promql import edges_query
from aiops.sources.prometheus import Connection, PrometheusClient

RULE = EdgeRule("mesh", Selector("calls_total"), ("client",), ("server",))


def result(**labels: str) -> dict[str, object]:
    return {"metric": labels, "value": [1_700_000_000.0, "1"]}


def read(url: str, now_ms: int = 9):
    async def once():
        client = PrometheusClient(Connection(url))
        try:
            (graph,) = metrics_graphs("main", client, [RULE])
            return graph.name, await graph.read(now_ms)
        finally:
            await client.aclose()

    return asyncio.run(once())


def test_calls_of_a_server_are_edges_seen_now(peer):
    found = [
        result(aiops_service="shop", aiops_peer="cart"),
        result(aiops_service="cart", aiops_peer="db"),
        result(aiops_service="cart", aiops_peer="cart"),
        result(aiops_peer="cart"),
        result(),
    ]
    peer.body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": found}}).encode()
    name, graph = read(peer.url)
    assert name == "main calls_total"
    assert list(graph.edges()) == [("cart", "db", 9), ("shop", "cart", 9)]
    (asked,) = [parse_qs(urlsplit(path).query)["query"] for path in peer.asked if path.startswith("/api/v1/query")]
    assert asked == [edges_query(RULE, 300.0)]


def test_what_a_server_refuses_is_our_error(peer):
    peer.status, peer.body = 422, json.dumps({"status": "error", "error": "too many samples"}).encode()
    with pytest.raises(Refused, match="too many samples"):
        read(peer.url)


def test_nobody_listening_may_pass():
    with pytest.raises(Unavailable):
        read("http://127.0.0.1:1")
