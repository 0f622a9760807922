"""Who depends on whom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import networkx as nx


class ServiceGraph:
    """Services and the calls between them; an edge `a -> b` reads "a depends on b".

    Each edge remembers when it was last seen (`seen_ms`), so that a merged graph can forget what is gone.

    >>> graph = ServiceGraph([("shop", "cart"), ("cart", "db")])
    >>> graph.callees("cart"), graph.callers("cart"), graph.distance("shop", "db")
    (['db'], ['shop'], 2)
    """

    def __init__(self, edges: Iterable[tuple[str, str]] = (), nodes: Iterable[str] = (), seen_ms: int = 0) -> None:
        self._graph: nx.DiGraph[str] = nx.DiGraph()
        self._graph.add_nodes_from(nodes)
        for caller, callee in edges:
            self.add(caller, callee, seen_ms)

    @property
    def digraph(self) -> nx.DiGraph[str]:
        """The networkx graph inside, for algorithms; do not change it."""
        return self._graph

    def add(self, caller: str, callee: str, seen_ms: int = 0) -> None:
        """Add or refresh one dependency. A service calling itself is no dependency."""
        if caller == callee:
            self._graph.add_node(caller)
            return
        before = self._graph.edges[caller, callee]["seen_ms"] if self._graph.has_edge(caller, callee) else seen_ms
        self._graph.add_edge(caller, callee, seen_ms=max(before, seen_ms))

    def merged(self, other: ServiceGraph) -> ServiceGraph:
        """Both graphs in one; an edge in both keeps its later time."""
        result = ServiceGraph(nodes=[*self.services(), *other.services()])
        for graph in (self, other):
            for caller, callee, seen_ms in graph.edges():
                result.add(caller, callee, seen_ms)
        return result

    def services(self) -> list[str]:
        """All services, sorted."""
        return sorted(self._graph.nodes)

    def edges(self) -> Iterator[tuple[str, str, int]]:
        """All (caller, callee, seen_ms), sorted."""
        yield from sorted((a, b, data["seen_ms"]) for a, b, data in self._graph.edges(data=True))

    def callees(self, service: str) -> list[str]:
        """Services that `service` calls, sorted; empty for an unknown one."""
        return sorted(self._graph.successors(service)) if service in self._graph else []

    def callers(self, service: str) -> list[str]:
        """Services that call `service`, sorted; empty for an unknown one."""
        return sorted(self._graph.predecessors(service)) if service in self._graph else []

    def path(self, upstream: str, downstream: str) -> tuple[str, ...]:
        """A shortest call path, both ends included; () if there is none. Of equal ones the first by name.

        >>> ServiceGraph([("a", "c"), ("a", "b"), ("b", "d"), ("c", "d")]).path("a", "d")
        ('a', 'b', 'd')
        """
        if upstream not in self._graph or downstream not in self._graph:
            return ()
        left = nx.single_source_shortest_path_length(self._graph.reverse(copy=False), downstream)
        if upstream not in left:
            return ()
        path = [upstream]
        while path[-1] != downstream:
            path.append(min(s for s in self._graph.successors(path[-1]) if left.get(s, -1) == left[path[-1]] - 1))
        return tuple(path)

    def distance(self, one: str, other: str) -> int | None:
        """Number of calls between two services, whichever way they point; None if they are not connected."""
        if one not in self._graph or other not in self._graph:
            return 0 if one == other else None
        try:
            return int(nx.shortest_path_length(self._graph.to_undirected(as_view=True), one, other))
        except nx.NetworkXNoPath:
            return None

    def __contains__(self, service: str) -> bool:
        return service in self._graph

    def __len__(self) -> int:
        return len(self._graph)
