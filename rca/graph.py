"""Who depends on whom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

Way = Literal["down", "up", "both"]
"""Along the calls, against them, or whichever way they point."""


class ServiceGraph:
    """Services and the calls between them; an edge `a -> b` reads "a depends on b".

    Each edge remembers when it was last seen (`seen_ms`), so that a merged graph can forget what is gone.

    >>> graph = ServiceGraph([("shop", "cart"), ("cart", "db")])
    >>> graph.callees("cart"), graph.callers("cart"), graph.distance("shop", "db")
    (['db'], ['shop'], 2)
    """

    def __init__(self, edges: Iterable[tuple[str, str]] = (), nodes: Iterable[str] = (), seen_ms: int = 0) -> None:
        self._callees: dict[str, dict[str, int]] = {node: {} for node in nodes}
        self._callers: dict[str, dict[str, int]] = {node: {} for node in self._callees}
        for caller, callee in edges:
            self.add(caller, callee, seen_ms)

    def add(self, caller: str, callee: str, seen_ms: int = 0) -> None:
        """Add or refresh one dependency. A service calling itself is no dependency."""
        for service in (caller, callee):
            self._callees.setdefault(service, {})
            self._callers.setdefault(service, {})
        if caller != callee:
            latest_ms = max(self._callees[caller].get(callee, seen_ms), seen_ms)
            self._callees[caller][callee] = self._callers[callee][caller] = latest_ms

    def merged(self, other: ServiceGraph) -> ServiceGraph:
        """Both graphs in one; an edge in both keeps its later time."""
        result = ServiceGraph(nodes=[*self.services(), *other.services()])
        for graph in (self, other):
            for caller, callee, seen_ms in graph.edges():
                result.add(caller, callee, seen_ms)
        return result

    def without_older(self, than_ms: int) -> ServiceGraph:
        """The same graph without edges last seen before `than_ms`, and without services that then stand alone."""
        kept = [(a, b, seen) for a, b, seen in self.edges() if seen >= than_ms]
        lonely = [s for s in self.services() if not self._callees[s] and not self._callers[s]]
        result = ServiceGraph(nodes=lonely)
        for caller, callee, seen_ms in kept:
            result.add(caller, callee, seen_ms)
        return result

    def services(self) -> list[str]:
        """All services, sorted."""
        return sorted(self._callees)

    def edges(self) -> Iterator[tuple[str, str, int]]:
        """All (caller, callee, seen_ms), sorted."""
        yield from sorted(self.calls())

    def calls(self) -> Iterator[tuple[str, str, int]]:
        """The same in no order, for those who have many."""
        for caller, callees in self._callees.items():
            for callee, seen_ms in callees.items():
                yield caller, callee, seen_ms

    def callees(self, service: str) -> list[str]:
        """Services that `service` calls, sorted; empty for an unknown one."""
        return sorted(self._callees.get(service, ()))

    def callers(self, service: str) -> list[str]:
        """Services that call `service`, sorted; empty for an unknown one."""
        return sorted(self._callers.get(service, ()))

    def reached(self, service: str, way: Way, most: int | None = None) -> dict[str, int]:
        """Services within `most` calls of one (None = any number), nearest first, with their distance; itself at 0.

        >>> ServiceGraph([("shop", "cart"), ("cart", "db")]).reached("cart", "both")
        {'cart': 0, 'db': 1, 'shop': 1}
        """
        ways: dict[Way, tuple[Mapping[str, Mapping[str, int]], ...]] = {
            "down": (self._callees,),
            "up": (self._callers,),
            "both": (self._callees, self._callers),
        }
        found, front, hops = {service: 0}, [service], 0
        while front and hops != most:
            hops += 1
            beyond = list[str]()
            for place in front:
                for neighbours in ways[way]:
                    for other in neighbours.get(place, ()):
                        if other not in found:
                            found[other] = hops
                            beyond.append(other)
            front = beyond
        return found

    def path(self, upstream: str, downstream: str) -> tuple[str, ...]:
        """A shortest call path, both ends included; () if there is none. Of equal ones the first by name.

        >>> ServiceGraph([("a", "c"), ("a", "b"), ("b", "d"), ("c", "d")]).path("a", "d")
        ('a', 'b', 'd')
        """
        if upstream not in self or downstream not in self:
            return ()
        left = self.reached(downstream, "up")
        if upstream not in left:
            return ()
        path = [upstream]
        while path[-1] != downstream:
            path.append(min(s for s in self._callees[path[-1]] if left.get(s, -1) == left[path[-1]] - 1))
        return tuple(path)

    def distance(self, one: str, other: str) -> int | None:
        """Number of calls between two services, whichever way they point; None if they are not connected."""
        return self.reached(one, "both").get(other)

    def __contains__(self, service: str) -> bool:
        return service in self._callees

    def __len__(self) -> int:
        return len(self._callees)
