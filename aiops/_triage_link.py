"""Which groups belong together.

Rule 1. Two groups are linked if some of their services are at most `max_hops` calls apart and their spans of starts
are at most `window_s` apart; for one and the same service its whole stretch counts, not only its start.
Rule 2. Services unknown to the graph are near themselves, and near each other for a much shorter time.
Rule 3. Adding a member never breaks a link. Merging linked groups until none are left therefore has one outcome,
whatever the order of arrival.
Rule 4. Evidence links nothing, and neither does the service "".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import networkx as nx

from aiops._triage_group import Group
from aiops._triage_member import Member
from aiops._triage_settings import TriageSettings
from rca import ServiceGraph

_FOREVER_MS = 1 << 62


class Nearness:
    """Services within `max_hops` of each other, remembered until the graph changes."""

    def __init__(self, graph: ServiceGraph, max_hops: int) -> None:
        self._graph = graph
        self._max_hops = max_hops
        self._undirected = graph.digraph.to_undirected(as_view=True)
        self._near: dict[str, dict[str, int]] = {}

    def near(self, service: str) -> dict[str, int]:
        """Every service near this one with its distance in calls; itself at 0, also if the graph does not know it."""
        if service not in self._near:
            found = {service: 0}
            if service in self._graph:
                found = dict(nx.single_source_shortest_path_length(self._undirected, service, cutoff=self._max_hops))
            self._near[service] = found
        return self._near[service]

    def knows(self, service: str) -> bool:
        """Tell whether the graph has this service."""
        return service in self._graph


class Stretch(NamedTuple):
    """From the first start to the last start and to the last end (an active one ends never)."""

    first_ms: int
    last_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Reach:
    """What of a group decides about links."""

    all: Stretch
    services: dict[str, Stretch]
    unknown: Stretch | None


class Link(NamedTuple):
    """How near two groups are: the smallest is the best home."""

    hops: int
    gap_ms: int


class Linker:
    """Finds links between groups and merges what belongs together."""

    def __init__(self, settings: TriageSettings, graph: ServiceGraph) -> None:
        self._settings = settings
        self._reach: dict[int, tuple[int, Reach]] = {}
        self.use(graph)

    def use(self, graph: ServiceGraph) -> None:
        """Use another graph from now on."""
        self.nearness = Nearness(graph, self._settings.max_hops)
        self._reach.clear()

    def reach(self, group: Group) -> Reach:
        """What of this group decides about links."""
        version, reach = self._reach.get(group.key, (-1, None))
        if reach is None or version != group.version:
            reach = self._look(group.core)
            self._reach[group.key] = (group.version, reach)
        return reach

    def reach_of(self, member: Member) -> Reach:
        """The same for one member, evidence too."""
        return self._look([member])

    def grow(self, group: Group, before: Reach, more: Reach) -> None:
        """A group of reach `before` took in what has the reach `more`: no need to look at every member again."""
        if not group.extra:
            self._reach[group.key] = (group.version, _joined(before, more))

    def forget(self, keys: Iterable[int]) -> None:
        """These groups are gone."""
        for key in keys:
            self._reach.pop(key, None)

    def _look(self, members: Iterable[Member]) -> Reach:
        services: dict[str, Stretch] = {}
        for m in members:
            end_ms = _FOREVER_MS if m.end_ms is None else m.end_ms
            services[m.service] = _join(services.get(m.service), Stretch(m.start_ms, m.start_ms, end_ms))
        whole: Stretch | None = None
        unknown: Stretch | None = None
        for service, stretch in services.items():
            whole = _join(whole, stretch)
            if service and not self.nearness.knows(service):
                unknown = _join(unknown, stretch)
        assert whole is not None
        services.pop("", None)
        return Reach(whole, services, unknown)

    def link(self, one: Reach, other: Reach) -> Link | None:
        """How two groups are linked, None if they are not."""
        apart_ms = gap_ms(one.all, other.all)
        found: list[Link] = []
        if apart_ms <= self._settings.window_s * 1000:
            hops = self._hops(one, other)
            found += [Link(hops, apart_ms)] if hops is not None else []
        for service in one.services.keys() & other.services.keys():
            stretch_gap_ms = _stretch_gap(one.services[service], other.services[service])
            found += [Link(0, stretch_gap_ms)] if stretch_gap_ms <= self._settings.window_s * 1000 else []
        if (
            one.unknown
            and other.unknown
            and gap_ms(one.unknown, other.unknown) <= self._settings.unknown_window_s * 1000
        ):
            found.append(Link(self._settings.max_hops + 1, apart_ms))
        return min(found, default=None)

    def _hops(self, one: Reach, other: Reach) -> int | None:
        small, large = sorted((one.services, other.services), key=len)
        hops = [n for s in small for t, n in self.nearness.near(s).items() if t in large]
        return min(hops, default=None)

    def settle(self, groups: Iterable[Group], absorb: Callable[[Group, Group], None]) -> None:
        """Merge forming groups with each other and into open ones until nothing is linked that may be merged."""
        index = Index(self, groups)
        self._merge_forming(index, absorb)
        changed = True
        while changed:
            changed = False
            for group in sorted(index.forming(), key=lambda g: g.first):
                homes = [(link, g.first, g.key) for g, link in index.linked(group) if g.status != "forming"]
                if homes:
                    index.merge(index.groups[min(homes)[2]], group, absorb)
                    changed = True

    def _merge_forming(self, index: Index, absorb: Callable[[Group, Group], None]) -> None:
        queue = sorted(index.forming(), key=lambda g: g.first)
        while queue:
            group = queue.pop()
            if group.key not in index.groups:
                continue
            family = [group, *(g for g, _ in index.linked(group) if g.status == "forming")]
            if len(family) == 1:
                continue
            # Who has a name keeps it; else the earliest gives it.
            winner, *losers = sorted(family, key=lambda g: (not g.id, g.first))
            for loser in losers:
                index.merge(winner, loser, absorb)
            queue.append(winner)


class Index:
    """Groups by the services they reach, so that a storm does not compare everything with everything."""

    def __init__(self, linker: Linker, groups: Iterable[Group]) -> None:
        self._linker = linker
        self.groups = {g.key: g for g in groups}
        self._at: defaultdict[str, set[int]] = defaultdict(set)
        self._unknown: set[int] = set()
        for group in self.groups.values():
            self._enter(group, linker.reach(group))

    def forming(self) -> list[Group]:
        """Groups nobody has been told of."""
        return [g for g in self.groups.values() if g.status == "forming"]

    def linked(self, group: Group) -> list[tuple[Group, Link]]:
        """Groups linked with this one, in the order of their keys."""
        return [(g, link) for g, link in self.near(self._linker.reach(group)) if g.key != group.key]

    def near(self, reach: Reach) -> list[tuple[Group, Link]]:
        """Groups linked with something of this reach, in the order of their keys."""
        keys: set[int] = set(self._unknown) if reach.unknown else set()
        for service in reach.services:
            for place in self._linker.nearness.near(service):
                keys |= self._at.get(place, set())
        links = ((self.groups[k], self._linker.link(reach, self._linker.reach(self.groups[k]))) for k in sorted(keys))
        return [(group, link) for group, link in links if link is not None]

    def merge(self, winner: Group, loser: Group, absorb: Callable[[Group, Group], None]) -> None:
        """Put everything of one group into another."""
        del self.groups[loser.key]
        before, more = self._linker.reach(winner), self._linker.reach(loser)
        for keys in [*(self._at[s] for s in more.services), self._unknown]:
            keys.discard(loser.key)
        absorb(winner, loser)
        self._linker.grow(winner, before, more)
        self._linker.forget([loser.key])
        self._enter(winner, more)

    def _enter(self, group: Group, reach: Reach) -> None:
        for service in reach.services:
            self._at[service].add(group.key)
        if reach.unknown:
            self._unknown.add(group.key)


def _joined(one: Reach, other: Reach) -> Reach:
    # Updated in place: the old reach of a storm is never asked for again, and copying it made merging quadratic.
    services = one.services
    for service, stretch in other.services.items():
        services[service] = _join(services.get(service), stretch)
    unknown = one.unknown if other.unknown is None else _join(one.unknown, other.unknown)
    return Reach(_join(one.all, other.all), services, unknown)


def _join(one: Stretch | None, other: Stretch) -> Stretch:
    if one is None:
        return other
    first, last, end = zip(one, other, strict=True)
    return Stretch(min(first), max(last), max(end))


def gap_ms(one: Stretch, other: Stretch) -> int:
    """Time between two spans of starts; 0 if they overlap."""
    return max(0, one.first_ms - other.last_ms, other.first_ms - one.last_ms)


def _stretch_gap(one: Stretch, other: Stretch) -> int:
    return max(0, one.first_ms - other.end_ms, other.first_ms - one.end_ms)
