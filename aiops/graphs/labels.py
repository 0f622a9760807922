"""Calls between services from the labels of series that are pushed to us."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

from aiops.packs import EdgeRule
from aiops.packs.keys import edge_of
from rca import ServiceGraph

LiveSeries = Callable[[int], Iterable[tuple[dict[str, str], int]]]
"""Given unix ms: the labels (with `__name__`) of series that may show calls, and when each was last seen, unix ms."""


class LabelGraph:
    """The edges that rules of signal packs find in the label sets of raw series.

    A series counts as long as samples of it arrive: whether its counter still grows is not looked at.

    Parameters
    ----------
    series : tells the series that are alive
    """

    whole = False

    def __init__(self, name: str, rules: Iterable[EdgeRule], series: LiveSeries) -> None:
        self.name = name
        self._series = series
        self._rules: dict[str, list[EdgeRule]] = defaultdict(list)
        for rule in rules:
            self._rules[rule.of.metric].append(rule)

    async def read(self, now_ms: int) -> ServiceGraph:
        """Put the rules to every live series."""
        graph = ServiceGraph()
        for labels, seen_ms in self._series(now_ms):
            for rule in self._rules.get(labels.get("__name__", ""), ()):
                edge = edge_of(rule, labels) if rule.of.accepts(labels) else None
                if edge is not None:
                    graph.add(*edge, seen_ms)
        return graph
