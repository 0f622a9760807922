"""Everything triage remembers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TypeVar

from aiops.model import Event
from aiops.triage.group import Group
from aiops.triage.member import Member
from aiops.triage.settings import TriageSettings
from aiops.triage.words import Moment
from aiops.wire import decode, encode
from rca import ServiceGraph

T = TypeVar("T")

NAME_KEEP_MS = 48 * 3_600_000  # two names for one thing can only come from an alert that ages out and fires on
MAX_LOOSE = 10_000  # evidence and changes that wait: chosen, some MB
MAX_PAST = 10_000  # remembered ids of what is over, and names: chosen, half a MB


@dataclass(frozen=True, slots=True)
class SavedGraph:
    """The services and edges of a graph."""

    nodes: tuple[str, ...] = ()
    edges: tuple[tuple[str, str, int], ...] = ()


@dataclass(slots=True)
class State:
    """What is known now. Times in names ending in `at` are machine time.

    `loose` is evidence that waits; `asleep` when what is quiet for a time is to be looked at again; `past` has the last
    version of what is over, so that late words about it are known as such; `names` the names given;
    `home` the group of every member.
    """

    at: int = 0
    now_ms: int | None = None
    aged_at: int = 0
    next_key: int = 0
    groups: dict[int, Group] = field(default_factory=dict)
    loose: dict[str, Member] = field(default_factory=dict)
    asleep: dict[str, int] = field(default_factory=dict)
    changes: dict[str, tuple[int, Event]] = field(default_factory=dict)
    past: dict[str, tuple[int, int]] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)
    home: dict[str, int] = field(default_factory=dict)
    changed: set[int] = field(default_factory=set)
    regroup: bool = True
    packed: dict[int, tuple[int, bytes]] = field(default_factory=dict)

    def advance(self, now_ms: int) -> Moment:
        """Let machine time go on."""
        if self.now_ms is not None:
            self.at += max(0, now_ms - self.now_ms)
        self.now_ms = now_ms
        return Moment(now_ms, self.at)

    def active(self) -> list[Group]:
        """Incidents that are not over, in the order in which they began."""
        return sorted((g for g in self.groups.values() if g.status != "resolved"), key=lambda g: (g.first, g.key))

    def over_and_asking(self) -> list[Group]:
        """Incidents that are over and of which more is known than their ranking knew, in the same order."""
        asking = (g for g in self.groups.values() if g.status == "resolved" and g.wants_rank)
        return sorted(asking, key=lambda g: (g.first, g.key))

    def awake(self) -> list[Member]:
        """Members that go on and whose quiet time is over, once."""
        due = [name for name, at in self.asleep.items() if at <= self.at]
        found = []
        for name in due:
            del self.asleep[name]
            member = self.loose.get(name)
            if member is None and name in self.home:
                member = self.groups[self.home[name]].members.get(name)
            if member is not None and member.quiet_at is not None and member.is_active:
                if member.quiet_at <= self.at:
                    found.append(member)
                else:
                    self.asleep[name] = member.quiet_at
        return found

    def begin(self, member: Member, when: Moment, muted: str) -> None:
        """A group of its own for a new member."""
        group = Group(self.next_key, when.at, member.order, {member.id: member}, muted=muted)
        self.groups[group.key], self.home[member.id] = group, group.key
        self.next_key += 1
        self.regroup = True
        self.touch(group, when)

    def touch(self, group: Group, when: Moment) -> None:
        """Something about this group has changed."""
        group.version += 1
        group.updated_ms = when.now_ms
        self.changed.add(group.key)

    def drop(self, group: Group) -> None:
        """Forget a group nobody was told of."""
        self.leave(group)
        del self.groups[group.key]

    def leave(self, group: Group) -> None:
        """What belongs to this group is over; late words about it change nothing any more."""
        for member in group.members.values():
            self.home.pop(member.id, None)
            if member.pages:
                self.past[member.id] = (member.version_ms, self.at)

    def is_late(self, member_id: str, version_ms: int) -> bool:
        """Tell whether this is an old word about something that is over."""
        return member_id in self.past and version_ms <= self.past[member_id][0]

    def expire(self, settings: TriageSettings, counts: Counter[str]) -> None:
        """Forget what has waited or been kept long enough."""
        waited_out = [
            m.id
            for m in self.loose.values()
            if (m.quiet_at is None or not m.is_active) and self.at - m.heard_ms >= settings.evidence_s * 1000
        ]
        for member_id in waited_out:
            del self.loose[member_id]
        counts["evidence that joined nothing"] += len(waited_out)
        keep_ms = round(settings.keep_resolved_s * 1000)
        self.changes = {k: v for k, v in self.changes.items() if self.at - v[0] < settings.change_keep_s * 1000}
        self.past = _recent({k: v for k, v in self.past.items() if self.at - v[1] < keep_ms})
        self.names = _recent({k: v for k, v in self.names.items() if self.at - v < NAME_KEEP_MS})
        over = [g for g in self.groups.values() if g.status == "resolved"]
        old = [g.key for g in over if self.at - g.resolved_at >= keep_ms and g.key not in self.changed]
        for key in old:
            del self.groups[key]

    def pack(self, counts: Counter[str], graph: SavedGraph) -> bytes:
        """All of it as bytes; only groups that have changed are written anew."""
        self.packed = {
            key: kept if (kept := self.packed.get(key)) and kept[0] == g.version else (g.version, encode(g))
            for key, g in self.groups.items()
        }
        return encode(
            _Saved(
                self.at,
                self.now_ms,
                self.next_key,
                tuple(body for _, body in self.packed.values()),
                tuple(self.loose.values()),
                self.changes,
                self.past,
                self.names,
                dict(counts),
                graph,
            )
        )


@dataclass(frozen=True, slots=True)
class _Saved:
    at: int
    now_ms: int | None
    next_key: int
    groups: tuple[bytes, ...]
    loose: tuple[Member, ...]
    changes: dict[str, tuple[int, Event]]
    past: dict[str, tuple[int, int]]
    names: dict[str, int]
    counts: dict[str, int]
    graph: SavedGraph


def save_graph(graph: ServiceGraph) -> SavedGraph:
    """A graph as plain values."""
    return SavedGraph(tuple(graph.services()), tuple(graph.edges()))


def unpack(data: bytes) -> tuple[State, Counter[str], ServiceGraph]:
    """What `State.pack` wrote. A ranking that was under way is asked for again. StoreError as in `wire.decode`."""
    saved = decode(data, _Saved)
    groups = [decode(body, Group) for body in saved.groups]
    for group in groups:
        group.wants_rank = group.wants_rank or group.asked_at is not None
    state = State(
        at=saved.at,
        now_ms=saved.now_ms,
        next_key=saved.next_key,
        groups={g.key: g for g in groups},
        loose={m.id: m for m in saved.loose},
        changes=saved.changes,
        past=saved.past,
        names=saved.names,
        asleep={
            m.id: m.quiet_at
            for m in (*saved.loose, *(m for g in groups for m in g.members.values()))
            if m.quiet_at is not None
        },
        home={i: g.key for g in groups if g.status != "resolved" for i in (*g.members, *g.extra)},
    )
    graph = ServiceGraph(nodes=saved.graph.nodes)
    for caller, callee, seen_ms in saved.graph.edges:
        graph.add(caller, callee, seen_ms)
    return state, Counter(saved.counts), graph


def _recent(kept: dict[str, T]) -> dict[str, T]:
    """The latest `MAX_PAST`; dicts keep the order of their keys' first entry."""
    return dict(list(kept.items())[-MAX_PAST:]) if len(kept) > MAX_PAST else kept
