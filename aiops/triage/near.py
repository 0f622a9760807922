"""Which services are near each other on the graph."""

from __future__ import annotations

from typing import NamedTuple

import networkx as nx

from aiops.triage.settings import TriageSettings
from rca import ServiceGraph


class Relation(NamedTuple):
    """How a service stands to another: calls between them, and how much earlier and later the other one may begin."""

    hops: int
    earlier_ms: int
    later_ms: int


class Nearness:
    """Services within `max_hops` of each other, remembered until the graph changes."""

    def __init__(self, graph: ServiceGraph, settings: TriageSettings) -> None:
        self._graph = graph
        self._max_hops = settings.max_hops
        self._window_ms, self._late_ms = round(settings.window_s * 1000), round(settings.late_cause_s * 1000)
        self._undirected = graph.digraph.to_undirected(as_view=True)
        self._near: dict[str, dict[str, int]] = {}
        self._below: dict[str, dict[str, int]] = {}
        self._related: dict[str, dict[str, Relation]] = {}

    def near(self, service: str) -> dict[str, int]:
        """Every service near this one with its distance in calls; itself at 0, also if the graph does not know it."""
        if service not in self._near:
            found = {service: 0}
            if service in self._graph:
                found = dict(nx.single_source_shortest_path_length(self._undirected, service, cutoff=self._max_hops))
            self._near[service] = found
        return self._near[service]

    def below(self, service: str) -> dict[str, int]:
        """What a service depends on, with the distance in calls; itself at 0."""
        if service not in self._below:
            self._below[service] = self._reached(service, self._graph.digraph)
        return self._below[service]

    def related(self, service: str) -> dict[str, Relation]:
        """Other services whose trouble may be that of this one."""
        if service not in self._related:
            found: dict[str, Relation] = {}
            above = self._reached(service, self._graph.digraph.reverse(copy=False))
            for place, hops in self.below(service).items():
                _widen(found, place, Relation(hops, self._window_ms, self._late_ms))
                left = self._reached(place, self._graph.digraph.reverse(copy=False), self._max_hops - hops)
                for other, more in left.items():
                    _widen(found, other, Relation(hops + more, self._late_ms, self._late_ms))
            for place, hops in above.items():
                _widen(found, place, Relation(hops, self._late_ms, self._window_ms))
            found.pop(service, None)
            self._related[service] = found
        return self._related[service]

    def _reached(self, service: str, digraph: nx.DiGraph[str], most: int | None = None) -> dict[str, int]:
        if service not in self._graph:
            return {service: 0}
        cutoff = self._max_hops if most is None else most
        return dict(nx.single_source_shortest_path_length(digraph, service, cutoff=cutoff))

    def knows(self, service: str) -> bool:
        """Tell whether the graph has this service."""
        return service in self._graph


def _widen(found: dict[str, Relation], place: str, more: Relation) -> None:
    known = found.get(place, more)
    found[place] = Relation(
        min(known.hops, more.hops), max(known.earlier_ms, more.earlier_ms), max(known.later_ms, more.later_ms)
    )
