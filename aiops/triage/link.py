"""Which groups belong together.

Rule 1. What breaks is felt by those who call it, so trouble of two services belongs together if one depends on the
other by at most `max_hops` calls, or both on a third by so many in all. Two callees of one caller share nothing.
What depends may begin up to `window_s` after what it depends on, the other way round only `late_cause_s`: rules wait
for different times. Of one and the same service the whole stretch counts, not only its start.
Rule 2. Services unknown to the graph are near themselves, and near each other for a much shorter time.
Rule 3. Adding a member never breaks a link. Merging linked groups until none are left therefore has one outcome,
whatever the order of arrival.
Rule 4. Evidence links nothing, and neither does the service "". It joins what is near in any direction.
Rule 5. What people were told of takes in others only if it explains them, or they explain it. Each of their roots, the
services that depend on none of the others, must be linked to it; and it must depend on something of it, lie on the way
down from where it began, or share something below with every root that is there: a cause that comes late explains all.
What has a root of its own is another incident, although both may be felt at the same entry. What begins at once needs
no such reason.
Rule 6. What begins long after its neighbours may be more of the same or a new wave. It waits, `unknown_window_s` after
`late_cause_s` and `late_cause_s` after `window_s`; a second service makes it a wave, and that is another incident.
Rule 7. What comes back belongs to where it was, and brings that no nearer to others: only its first start counts, once
people have been told (before that it would break rule 3).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from aiops.triage.group import Group
from aiops.triage.member import Member
from aiops.triage.near import Nearness
from aiops.triage.settings import TriageSettings
from rca import ServiceGraph

_FOREVER_MS = 1 << 62


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
    sames: dict[str, Stretch]
    """By what its members are stretches of."""

    def came_back(self, other: Reach, within_ms: float) -> bool:
        """Tell whether the other is nothing but what was here until shortly before."""
        return all(
            name in self.sames and _stretch_gap(stretch, self.sames[name]) <= within_ms
            for name, stretch in other.sames.items()
        )


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
            reach = self._look(group.core, told=group.status != "forming")
            self._reach[group.key] = (group.version, reach)
        return reach

    def reach_of(self, member: Member) -> Reach:
        """The same for one member, evidence too."""
        return self._look([member], told=False)

    def grow(self, group: Group, before: Reach, more: Reach, share: tuple[int, int]) -> None:
        """A group of reach `before` was given what has the reach `more`: no need to look at every member again.

        Parameters
        ----------
        share : how many members it has kept, of how many; what is over its limit links nothing
        """
        kept, given = share
        is_new = len(more.sames) == given and before.sames.keys().isdisjoint(more.sames)
        if kept == 0 or (kept == given and (is_new or group.status == "forming")):
            self._reach[group.key] = (group.version, _joined(before, more) if kept else before)

    def forget(self, keys: Iterable[int]) -> None:
        """These groups are gone."""
        for key in keys:
            self._reach.pop(key, None)

    def _look(self, members: Iterable[Member], *, told: bool) -> Reach:
        services: dict[str, Stretch] = {}
        sames: dict[str, Stretch] = {}
        for m in sorted(members, key=lambda m: m.order):
            end_ms = _FOREVER_MS if m.end_ms is None else m.end_ms
            sames[m.same] = _join(sames.get(m.same), Stretch(m.start_ms, m.start_ms, end_ms))
            start_ms = sames[m.same].first_ms if told else m.start_ms
            services[m.service] = _join(services.get(m.service), Stretch(start_ms, start_ms, end_ms))
        whole: Stretch | None = None
        unknown: Stretch | None = None
        for service, stretch in services.items():
            whole = _join(whole, stretch)
            if service and not self.nearness.knows(service):
                unknown = _join(unknown, stretch)
        assert whole is not None
        services.pop("", None)
        return Reach(whole, services, unknown, sames)

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
        """Tell whether the other began at once with the home, or has no root that is not linked to it and explained."""
        if gap_ms(home.all, other.all) <= self._settings.unknown_window_s * 1000:
            return True
        roots = [root for root in self._roots(other) if self.nearness.knows(root)]
        return all(self._link_of(r, other, home) is not None and self._is_explained(r, home) for r in roots)

    def _is_explained(self, root: str, home: Reach) -> bool:
        """Tell whether a root depends on the home, or explains all of it better than its own roots do."""
        below = self.nearness.below(root)
        if any(place in home.services for place in below):
            return True
        first = min(home.services, key=lambda s: (home.services[s].first_ms, s))
        flows, since_ms = self.nearness.below(first), home.services[first].first_ms
        after = [place for place, there in home.services.items() if there.first_ms > since_ms]
        if root in flows and len(after) == len(home.services) - 1 and all(s in flows for s in after):
            return True  # what comes from above goes on its way down
        return all(self._shares(below, self.nearness.below(old)) for old in self._roots(home))

    def _shares(self, one: dict[str, int], other: dict[str, int]) -> bool:
        """Tell whether two services depend on a third (or one on the other) by `max_hops` calls in all."""
        return any(one[place] + other[place] <= self._settings.max_hops for place in one.keys() & other.keys())

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
        told = [(g, link) for g, link in index.linked(group) if g.status != "forming"]
        group.patient_at = None
        if back := [
            (link, g.first, g.key) for g, link in told if self.reach(g).came_back(reach, self._settings.window_s * 1000)
        ]:
            return index.groups[min(back)[2]]
        homes = [(link, g.first, g.key) for g, link in told if self.explains(self.reach(g), reach)]
        if not homes:
            return None
        link, _, key = min(homes)
        doubt_s = self._doubt_s(link.gap_ms)
        if doubt_s and len(reach.services) > 1:
            return None
        until_at = group.began_at + round(doubt_s * 1000)
        if at < until_at:
            group.patient_at = until_at
            return None
        return index.groups[key]

    def _doubt_s(self, gap_ms: int) -> float:
        """How long what begins so much later waits for a second service, which makes it a new wave; 0 = not at all."""
        settings = self._settings
        if gap_ms > settings.window_s * 1000:
            return settings.late_cause_s
        return settings.unknown_window_s if gap_ms > settings.late_cause_s * 1000 else 0.0

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


def _joined(one: Reach, other: Reach) -> Reach:
    # Updated in place: the old reach of a storm is never asked for again, and copying it made merging quadratic.
    services = one.services
    for service, stretch in other.services.items():
        services[service] = _join(services.get(service), stretch)
    unknown = one.unknown if other.unknown is None else _join(one.unknown, other.unknown)
    one.sames.update(other.sames)
    return Reach(_join(one.all, other.all), services, unknown, one.sames)


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
