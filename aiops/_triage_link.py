"""Which groups belong together.

Rule 1. What breaks is felt by those who call it, so trouble of two services belongs together if one depends on the
other by at most `max_hops` calls, or both on a third by so many in all. Two callees of one caller share nothing.
What depends may begin up to `window_s` after what it depends on, the other way round only `late_cause_s`: rules wait
for different times. Of one and the same service the whole stretch counts, not only its start.
Rule 2. Services unknown to the graph are near themselves, and near each other for a much shorter time.
Rule 3. Adding a member never breaks a link. Merging linked groups until none are left therefore has one outcome,
whatever the order of arrival.
Rule 4. Evidence links nothing, and neither does the service "". It joins what is near in any direction.
Rule 5. What people were told of takes in others only if it explains them: each of their roots, the services that depend
on none of the others, must be linked to it. What has a root of its own is another incident, although both may be felt
at the same entry. What begins at once needs no such reason.
Rule 6. What is linked only because its service has been failing for longer than `window_s` may be more of the same or a
new wave. It waits for `late_cause_s`; a second service makes it a wave, and that is another incident.
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
    """How near two groups are: the smallest is the best home.

    What began about when the other did is a better home than what is nearer and has gone on for long.
    """

    ages: int
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
        self.nearness = Nearness(graph, self._settings)
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

    def grow(self, group: Group, before: Reach, more: Reach, share: tuple[int, int]) -> None:
        """A group of reach `before` was given what has the reach `more`: no need to look at every member again.

        Parameters
        ----------
        share : how many members it has kept, of how many; what is over its limit links nothing
        """
        kept, given = share
        if kept in (0, given):
            self._reach[group.key] = (group.version, _joined(before, more) if kept else before)

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
        small, large = sorted((one, other), key=lambda reach: len(reach.services))
        found = [link for service in small.services if (link := self._link_of(service, small, large))]
        if (
            one.unknown
            and other.unknown
            and gap_ms(one.unknown, other.unknown) <= self._settings.unknown_window_s * 1000
        ):
            found.append(self._sized(self._settings.max_hops + 1, gap_ms(one.unknown, other.unknown)))
        return min(found, default=None)

    def evidence_link(self, evidence: Reach, group: Reach) -> Link | None:
        """How evidence is linked to a group: near in any direction, begun near its time or on a service of it."""
        apart_ms = gap_ms(evidence.all, group.all)
        found: list[Link] = []
        for service, stretch in evidence.services.items():
            if apart_ms <= self._settings.window_s * 1000:
                near = self.nearness.near(service)
                hops = min((n for place, n in near.items() if place in group.services), default=None)
                found += [self._sized(hops, apart_ms)] if hops is not None else []
            there = group.services.get(service)
            if there is not None and _stretch_gap(stretch, there) <= self._settings.window_s * 1000:
                found.append(self._sized(0, gap_ms(stretch, there)))
        if (
            evidence.unknown
            and group.unknown
            and gap_ms(evidence.unknown, group.unknown) <= self._settings.unknown_window_s * 1000
        ):
            found.append(self._sized(self._settings.max_hops + 1, apart_ms))
        return min(found, default=None)

    def explains(self, home: Reach, other: Reach) -> bool:
        """Tell whether the other began at once with the home, or has no root that is not linked to it."""
        return gap_ms(home.all, other.all) <= self._settings.unknown_window_s * 1000 or all(
            self._link_of(root, other, home) is not None for root in self._roots(other) if self.nearness.knows(root)
        )

    def _roots(self, reach: Reach) -> list[str]:
        """Services that depend on none of the others; of those that depend on each other all."""
        services = reach.services
        below = {s: {t for t in self.nearness.below(s) if t in services and t != s} for s in services}
        return [s for s in services if all(s in below[t] for t in below[s])]

    def _link_of(self, service: str, one: Reach, other: Reach) -> Link | None:
        """The best link of one service of a group to another group."""
        stretch, found = one.services[service], list[Link]()
        if (there := other.services.get(service)) is not None:
            near = _stretch_gap(stretch, there) <= self._settings.window_s * 1000
            found += [self._sized(0, gap_ms(stretch, there))] if near else []
        related = self.nearness.related(service)
        for place in related if len(related) < len(other.services) else other.services:
            relation, there = related.get(place), other.services.get(place)
            if relation is None or there is None:
                continue
            is_early = stretch.first_ms - there.last_ms > relation.earlier_ms
            is_late = there.first_ms - stretch.last_ms > relation.later_ms
            if not (is_early or is_late):
                found.append(self._sized(relation.hops, gap_ms(stretch, there)))
        return min(found, default=None)

    def _sized(self, hops: int, apart_ms: int) -> Link:
        return Link(apart_ms // round(self._settings.late_cause_s * 1000), hops, apart_ms)

    def settle(self, groups: Iterable[Group], absorb: Callable[[Group, Group], None], at: int) -> None:
        """Merge forming groups with each other and into open ones until nothing is linked that may be merged.

        Parameters
        ----------
        at : machine time; a group that may be a new wave gets its `patient_at`
        """
        index = Index(self, groups)
        self._merge_forming(index, absorb)
        changed = True
        while changed:
            changed = False
            for group in sorted(index.forming(), key=lambda g: g.first):
                home = self._home(group, index, at)
                if home is not None:
                    index.merge(home, group, absorb)
                    changed = True

    def _home(self, group: Group, index: Index, at: int) -> Group | None:
        """The open incident that a forming group belongs to."""
        reach = self.reach(group)
        homes = [
            (link, g.first, g.key)
            for g, link in index.linked(group)
            if g.status != "forming" and self.explains(self.reach(g), reach)
        ]
        group.patient_at = None
        if not homes:
            return None
        link, _, key = min(homes)
        if link.gap_ms > self._settings.window_s * 1000:
            if len(reach.services) > 1:
                return None
            patient_at = group.began_at + round(self._settings.late_cause_s * 1000)
            if at < patient_at:
                group.patient_at = patient_at
                return None
        return index.groups[key]

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
        linked = self._found(self._linker.reach(group), self._linker.link)
        return [(g, link) for g, link in linked if g.key != group.key]

    def near(self, reach: Reach) -> list[tuple[Group, Link]]:
        """Groups that evidence of this reach may join, in the order of their keys."""
        return self._found(reach, self._linker.evidence_link)

    def _found(self, reach: Reach, link_of: Callable[[Reach, Reach], Link | None]) -> list[tuple[Group, Link]]:
        keys: set[int] = set(self._unknown) if reach.unknown else set()
        for service in reach.services:
            for place in self._linker.nearness.near(service):
                keys |= self._at.get(place, set())
        links = ((self.groups[k], link_of(reach, self._linker.reach(self.groups[k]))) for k in sorted(keys))
        return [(group, link) for group, link in links if link is not None]

    def merge(self, winner: Group, loser: Group, absorb: Callable[[Group, Group], None]) -> None:
        """Put everything of one group into another."""
        del self.groups[loser.key]
        before, more = self._linker.reach(winner), self._linker.reach(loser)
        for keys in [*(self._at[s] for s in more.services), self._unknown]:
            keys.discard(loser.key)
        count, given = len(winner.members), len(loser.members)
        absorb(winner, loser)
        self._linker.grow(winner, before, more, (len(winner.members) - count, given))
        self._linker.forget([loser.key])
        self._enter(winner, more)

    def _enter(self, group: Group, reach: Reach) -> None:
        for service in reach.services:
            self._at[service].add(group.key)
        if reach.unknown:
            self._unknown.add(group.key)


def _widen(found: dict[str, Relation], place: str, more: Relation) -> None:
    known = found.get(place, more)
    found[place] = Relation(
        min(known.hops, more.hops), max(known.earlier_ms, more.earlier_ms), max(known.later_ms, more.later_ms)
    )


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
