"""What a Prometheus offers to watch: the look around behind `aiops init --prometheus URL`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from aiops._cost import FULL
from aiops._discovery_plan import PackPlan, Plan, SignalPlan
from aiops._discovery_text import config_text, plan_text
from aiops.errors import SourceError
from aiops.graphs._base import InstantValue
from aiops.packs import EdgeRule, Pack, Recipe
from aiops.packs.keys import SERVICE_LABEL
from aiops.packs.match import present
from aiops.packs.promql import count_query, edges_query

BYTES_PER_SERIES = FULL.memory_bytes
"""Memory of a series in the full bank."""

CONCURRENCY = 4
"""Queries under way at once: a fifth of what Prometheus allows by default, so that dashboards go on working."""


class DiscoveryClient(Protocol):
    """What is needed of a Prometheus to look around."""

    async def metric_names(self) -> list[str]:
        """All metric names the server knows."""
        ...

    async def instant(self, query: str) -> Sequence[InstantValue]:
        """Evaluate a query at the server's present time."""
        ...


async def discover(
    client: DiscoveryClient,
    packs: Mapping[str, Pack],
    *,
    step_s: float = 30.0,
    window_s: float = 0.0,
    bytes_per_series: float = BYTES_PER_SERIES,
    progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> Plan:
    """Find out which packs match and count what they would watch.

    Parameters
    ----------
    packs : in order of precedence
    step_s : seconds between two values of a signal
    window_s : length of the rate window, seconds; 0 = max(60, 4 steps), as in the configuration
    progress : told (queries done, queries in all)

    Raises
    ------
    SourceError : the server does not answer, or answers none of the queries
    """
    names = await client.metric_names()
    matching = present(packs, names)
    asker = _Asker(client, window_s or max(60.0, 4 * step_s), progress, _size(matching))
    answers = {name: await asker.pack(pack) for name, pack in matching.items()}
    if asker.failed and asker.failed == asker.done:
        raise asker.last_error
    covered: set[tuple[object, ...]] = set()
    plans = tuple(_pack_plan(matching[name], answer, covered) for name, answer in answers.items())
    return Plan(plans, len(names), step_s, bytes_per_series, tuple(asker.problems))


class _Asker:
    """Asks the counting queries, and takes note of what is not answered."""

    def __init__(
        self, client: DiscoveryClient, window_s: float, progress: Callable[[int, int], None], size: int
    ) -> None:
        self._client, self._window_s, self._progress, self._size = client, window_s, progress, size
        self._free = asyncio.Semaphore(CONCURRENCY)
        self.done = self.failed = 0
        self.problems: list[str] = []
        self.last_error = SourceError()

    async def pack(self, pack: Pack) -> tuple[list[dict[str, int]], int]:
        """Series by service for each recipe, and the number of edges."""
        counts = asyncio.gather(*(self._counts(recipe) for recipe in pack.recipes))
        edges = asyncio.gather(*(self._edges(rule) for rule in pack.edges))
        return list(await counts), sum(await edges)

    async def _counts(self, recipe: Recipe) -> dict[str, int]:
        found = await self._ask(count_query(recipe, self._window_s), recipe.pack, recipe.signal.name)
        by_service = ((dict(one.labels).get(SERVICE_LABEL, ""), int(one.value)) for one in found)
        return {service: count for service, count in by_service if service}

    async def _edges(self, rule: EdgeRule) -> int:
        return len(await self._ask(edges_query(rule, self._window_s), rule.pack, f"edges of {rule.of.metric}"))

    async def _ask(self, query: str, pack: str, what: str) -> Sequence[InstantValue]:
        found: Sequence[InstantValue] = ()
        async with self._free:
            try:
                found = await self._client.instant(query)
            except SourceError as error:
                self.failed += 1
                self.last_error = error
                self.problems.append(f"{pack}: {what} could not be counted: {error}")
            self.done += 1
        self._progress(self.done, self._size)
        return found


def _size(packs: Mapping[str, Pack]) -> int:
    return sum(len(pack.recipes) + len(pack.edges) for pack in packs.values())


def _pack_plan(pack: Pack, answer: tuple[list[dict[str, int]], int], covered: set[tuple[object, ...]]) -> PackPlan:
    counts, edges = answer
    signals = []
    for recipe, by_service in zip(pack.recipes, counts, strict=True):
        places = {service: (recipe.signal.name, bool(recipe.peer), recipe.by, service) for service in by_service}
        new = {service: count for service, count in by_service.items() if places[service] not in covered}
        covered.update(places.values())
        if new:
            signals.append(SignalPlan(recipe, tuple(sorted(new)), sum(new.values())))
    return PackPlan(pack, tuple(signals), edges)


__all__ = [
    "BYTES_PER_SERIES",
    "DiscoveryClient",
    "PackPlan",
    "Plan",
    "SignalPlan",
    "config_text",
    "discover",
    "plan_text",
]
