"""Calls between services from the metrics of a Prometheus: meshes, service graphs of traces, clients' own metrics."""

from __future__ import annotations

from collections.abc import Iterable

from aiops.graphs._base import InstantQueries
from aiops.packs import EdgeRule
from aiops.packs.keys import edge_of
from aiops.packs.promql import edges_query
from rca import ServiceGraph

WINDOW_S = 300.0
"""A call made within this time is an edge. Chosen: spans scrape gaps and calls made once a minute."""


class MetricsGraph:
    """The edges that one rule of a signal pack finds.

    One source per rule, so that a query which a server refuses costs the edges of that rule only.

    Parameters
    ----------
    source : name of the Prometheus
    window_s : seconds within which a call must have been made
    """

    whole = False

    def __init__(self, source: str, client: InstantQueries, rule: EdgeRule, window_s: float = WINDOW_S) -> None:
        self.name = f"{source} {rule.of.metric}"
        self._client = client
        self._rule = rule
        self._query = edges_query(rule, window_s)

    async def read(self, now_ms: int) -> ServiceGraph:
        """Ask for the calls of the last `window_s` seconds."""
        graph = ServiceGraph()
        for one in await self._client.instant(self._query):
            edge = edge_of(self._rule, dict(one.labels))
            if edge is not None:
                graph.add(*edge, now_ms)
        return graph


def metrics_graphs(
    source: str, client: InstantQueries, rules: Iterable[EdgeRule], window_s: float = WINDOW_S
) -> list[MetricsGraph]:
    """One graph source per rule."""
    return [MetricsGraph(source, client, rule, window_s) for rule in rules]
