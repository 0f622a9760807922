from __future__ import annotations

import asyncio

from aiops.graphs.labels import LabelGraph
from aiops.packs import EdgeRule, Matcher, Selector

RULES = (
    EdgeRule("traces", Selector("calls_total", (Matcher("client", "!=", "user"),)), ("client",), ("server",)),
    EdgeRule("otel", Selector("http_count"), ("service_name", "job"), ("server_address",)),
)
SERIES = [
    ({"__name__": "calls_total", "client": "shop", "server": "ns/cart"}, 5),
    ({"__name__": "calls_total", "client": "shop", "server": "cart"}, 9),
    ({"__name__": "calls_total", "client": "user", "server": "shop"}, 9),
    ({"__name__": "calls_total", "client": "shop"}, 9),
    ({"__name__": "http_count", "job": "cart", "server_address": "db.ns.svc:5432"}, 7),
    ({"__name__": "other_total", "client": "a", "server": "b"}, 9),
    ({}, 9),
]


def test_live_series_that_a_rule_accepts_are_edges_seen_when_the_series_was():
    asked = []

    def series(now_ms: int):
        asked.append(now_ms)
        return iter(SERIES)

    graph = LabelGraph("pushed", RULES, series)
    assert list(asyncio.run(graph.read(10)).edges()) == [("cart", "db", 7), ("shop", "cart", 9)]
    assert asked == [10]
