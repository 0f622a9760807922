"""Deciding at a tick which groups, evidence and changes belong together."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict

from aiops._suppressed import LISTED, SuppressedItems
from aiops.model import Event
from aiops.triage.group import Group
from aiops.triage.life import ask, is_due
from aiops.triage.link import Index, Linker, gap_ms
from aiops.triage.member import Member, is_apart
from aiops.triage.settings import TriageSettings
from aiops.triage.state import State
from aiops.triage.words import Moment, Rank

log = logging.getLogger(__name__)

FORMING_FACTOR = 20
"""A forming group may hold so many times the limit, so that it is the earliest members that are kept in the end."""
MAX_CHANGES = 100
"""Changes attached to one incident: chosen, more explain nothing."""


class Gather:
    """One regrouping of everything known."""

    def __init__(
        self,
        state: State,
        linker: Linker,
        settings: TriageSettings,
        when: Moment,
        *,
        counts: Counter[str],
        suppressed: SuppressedItems,
    ) -> None:
        self._state = state
        self._linker = linker
        self._settings = settings
        self._counts = counts
        self._when = when
        self._suppressed = suppressed
        self._twins: dict[int, defaultdict[str, list[Member]]] = {}

    def regroup(self) -> None:
        """Merge what is linked, make a storm of what is too much, attach evidence and changes."""
        self._state.regroup = False
        groups = [g for g in self._state.active() if not g.is_storm]
        self._linker.settle(groups, self._absorb, self._when.at)
        self._storm()
        self._attach()

    def mature(self) -> list[Rank]:
        """What has waited long enough: drop what is over, find a home for what names no service, name the rest."""
        due = [g for g in self._state.active() if is_due(g, self._settings, self._when.at)]
        # What lasted longer and is over all the same came late: people were to be told, and are.
        for group in [g for g in due if not g.is_active and g.lasted_ms <= self._settings.group_wait_s * 1000]:
            self._drop(group)
            due.remove(group)
        homeless = [g for g in due if not self._linker.reach(g).services and not g.is_storm]
        homes = [g for g in self._state.active() if g not in homeless and not g.is_storm]
        for group in homeless:
            if len(homes) == 1 and self._is_near_in_time(homes[0], group):
                self._absorb(homes[0], group)
                due.remove(group)
        for group in due:
            self._name(group)
        if due:
            self._attach()
        return [ask(group, self._when) for group in due]

    def _name(self, group: Group) -> None:
        self._cut(group)
        group.name(self._state.names)
        self._state.names[group.id] = self._when.at
        for member in group.core:
            if group.muted:
                self._suppressed.note(member.item, f"nobody is told: {group.muted}", self._when.now_ms, group.id)
            elif member.order != group.first:
                self._suppressed.note(member.item, LISTED, self._when.now_ms, group.id)
        self._state.touch(group, self._when)

    def _attach(self) -> None:
        """Attach evidence and changes to what has a name; before that a nearer incident may still come up."""
        self._evidence()
        for group in self._state.active():
            if group.id:
                self._changes(group)

    def _absorb(self, winner: Group, loser: Group) -> None:
        """Put everything of one group into another."""
        state, when = self._state, self._when
        self._counts["merged"] += 1
        most = self._settings.max_members * (FORMING_FACTOR if winner.status == "forming" else 1)
        for member in sorted(loser.members.values(), key=lambda m: m.order):
            self._put(winner, member, most)
            if winner.id and member.pages:
                self._suppressed.note(member.item, LISTED, when.now_ms, winner.id)
        winner.extra |= loser.extra
        state.home |= dict.fromkeys(loser.extra, winner.key)
        winner.further += loser.further
        winner.changes |= loser.changes
        winner.began_at = min(winner.began_at, loser.began_at)
        winner.muted = winner.muted and loser.muted
        winner.wants_rank, winner.quiet_at = True, None
        del state.groups[loser.key]
        state.touch(winner, when)

    def _put(self, group: Group, member: Member, most: int) -> None:
        """Make a member part of a group, and count what came back."""
        if member.pages:
            twins = self._twins_in(group)[member.same]
            group.flap(self._when.at, member.comebacks + any(is_apart(twin, member) for twin in twins))
            twins.append(member)
        if group.add(member, most):
            self._state.home[member.id] = group.key
        else:
            self._state.home.pop(member.id, None)

    def _twins_in(self, group: Group) -> defaultdict[str, list[Member]]:
        """The members of a group by what they are stretches of."""
        if group.key not in self._twins:
            found = self._twins[group.key] = defaultdict(list)
            for member in group.core:
                found[member.same].append(member)
        return self._twins[group.key]

    def _cut(self, group: Group) -> None:
        """Keep the earliest members and the ids of the rest."""
        most = self._settings.max_members
        members = sorted(group.members.values(), key=lambda m: (not m.pages, m.order))
        if len(members) > most:
            group.members = {m.id: m for m in members[:most]}
            for member in members[most:]:
                if not group.add(member, most):
                    self._state.home.pop(member.id, None)

    def _drop(self, group: Group) -> None:
        self._counts["over before the group wait"] += 1
        for member in group.core:
            why = f"over before the group wait of {self._settings.group_wait_s:g} s"
            self._suppressed.note(member.item, why, self._when.now_ms)
        self._state.drop(group)
        self._state.regroup = True

    def _storm(self) -> None:
        """What is over the limit of incidents becomes one, said aloud."""
        active = self._state.active()
        storm = next((g for g in active if g.is_storm), None)
        excess = len(active) - (storm is not None) - self._settings.max_active
        loose = [g for g in reversed(active) if g.status == "forming" and not g.is_storm and not g.id]
        newest = loose[: max(0, excess)]
        if not newest:
            return
        if storm is None:
            storm = newest.pop()
            storm.is_storm = True
            log.warning("incident storm limit=%d", self._settings.max_active)
        for group in reversed(newest):
            self._counts["incidents merged into a storm"] += 1
            self._absorb(storm, group)

    def _is_near_in_time(self, home: Group, group: Group) -> bool:
        return gap_ms(self._linker.reach(home).all, self._linker.reach(group).all) <= self._settings.window_s * 1000

    def _evidence(self) -> None:
        """Let evidence join the nearest incident."""
        if not self._state.loose:
            return
        index = Index(self._linker, [g for g in self._state.active() if not g.is_storm])
        for member in sorted(self._state.loose.values(), key=lambda m: m.order):
            homes = [(link, g.first, g.key) for g, link in index.near(self._linker.reach_of(member)) if member.service]
            if homes and (group := index.groups[min(homes)[2]]).id:
                self._put(group, member, self._settings.max_members)
                del self._state.loose[member.id]
                group.wants_rank = group.wants_rank or group.status != "forming"
                self._state.touch(group, self._when)

    def _changes(self, group: Group) -> None:
        """Attach changes shortly before and after the start, near in the graph; what is attached stays."""
        start_ms = group.first[0]
        events = (event for _, event in self._state.changes.values())
        fitting = [e for e in events if e.id not in group.changes and self._fits(e, start_ms)]
        if fitting:
            near = {place for s in self._linker.reach(group).services for place in self._linker.nearness.near(s)}
            fitting = [e for e in fitting if e.service in near]
        fitting.sort(key=lambda e: (abs(e.time_ms - start_ms), e.id))
        taken = fitting[: max(0, MAX_CHANGES - len(group.changes))]
        if taken:
            group.changes |= {event.id: event for event in taken}
            group.wants_rank = group.wants_rank or group.status != "forming"
            self._state.touch(group, self._when)

    def _fits(self, event: Event, start_ms: int) -> bool:
        before_ms, after_ms = self._settings.change_before_s * 1000, self._settings.change_after_s * 1000
        return start_ms - before_ms <= event.time_ms <= start_ms + after_ms
