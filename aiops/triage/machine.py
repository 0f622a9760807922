"""Machine 2: anomalies, alerts and changes in; incidents and what to tell people out.

Pure: no clock, no I/O. It never ranks or sends: it asks (`Rank`, `Send`), the runner does it and feeds the answer back.

Rule 1. Words (anomalies, alerts, changes) are only noted when they are fed; which of them belong together is decided
at a `Tick`, over everything noted. So the order of arrival within the group wait cannot matter.
Rule 2. Anomalies that may page, and firing alerts, open incidents. Other anomalies are evidence: they wait for an
incident near them, and neither open, link nor hold one.
Rule 3. What people have been told stays: open incidents never merge, a resolved one never takes anything in.
Rule 4. Durations are measured in machine time, which goes on with `now_ms` but never back; a clock that jumps back
stops it for a moment instead of confusing it.
Rule 5. Everything has a limit, and what a limit cost is counted in `counts`.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace

from aiops._suppressed import CAME_BACK, LATE, REPEATED, SuppressedItems
from aiops.model import Anomaly, Event, Incident, Suppressed
from aiops.policy import Quiet
from aiops.triage import life
from aiops.triage.gather import Gather
from aiops.triage.group import Group
from aiops.triage.link import Linker
from aiops.triage.member import Member, from_alert, from_anomaly, with_anomaly, with_end, woken
from aiops.triage.settings import TriageSettings
from aiops.triage.state import MAX_LOOSE, SavedGraph, State, save_graph, unpack
from aiops.triage.words import Again, Moment, Rank, Ranked, Send, Tick
from rca import ServiceGraph

log = logging.getLogger(__name__)

AGING_MS = 60_000
"""How often members nobody speaks of are looked for: chosen, small against `max_age_s`."""


class Triage:
    """Groups what belongs together into incidents and follows their lives.

    >>> triage = Triage(TriageSettings(group_wait_s=30))
    >>> alert = Event("a1", 0, "cart", "alert", "HighErrorRate", status="firing")
    >>> triage.feed(alert, 0), triage.feed(Tick(), 0)
    ([], [])
    >>> [type(action).__name__ for action in triage.feed(Tick(), 30_000)]
    ['Rank']
    >>> [action.notification.reason for action in triage.feed(Tick(), 40_000)]
    ['opened']
    """

    def __init__(self, settings: TriageSettings | None = None) -> None:
        self.settings = settings or TriageSettings()
        self.counts: Counter[str] = Counter()
        self._graph = ServiceGraph()
        self._saved_graph = SavedGraph()
        self._linker = Linker(self.settings, self._graph)
        self._state = State()
        self._suppressed = SuppressedItems()

    @property
    def graph(self) -> ServiceGraph:
        """Who depends on whom."""
        return self._graph

    @graph.setter
    def graph(self, graph: ServiceGraph) -> None:
        self._graph = graph
        self._saved_graph = save_graph(graph)
        self._linker.use(graph)
        self._state.regroup = True

    def feed(
        self, item: Anomaly | Event | Ranked | Again | Tick, now_ms: int, muted: str = "", quiet: Quiet | None = None
    ) -> list[Rank | Send]:
        """Take in one item and say what is to be done.

        Parameters
        ----------
        item : an anomaly (opened, updated or closed under one id), an event, the answer to a `Rank` or a wish for one,
            or a tick
        now_ms : the moment, unix ms: the wall clock, or event time in a replay
        muted : why nobody is to be told of it ("" = tell). An incident stays muted while all that speaks of it is muted
        quiet : why it is to be evidence although it would page, and until when
        """
        when = self._state.advance(now_ms)
        match item:
            case Tick():
                return self._tick(when)
            case Ranked():
                return self._ranked(item, when)
            case Again():
                self._again(item)
            case Anomaly():
                self._hear_anomaly(item, when, muted, quiet)
            case Event(kind="alert"):
                self._hear_alert(item, when, muted, quiet)
            case Event():
                self._hear_change(item, when)
        return []

    def incidents(self) -> list[Incident]:
        """Incidents, the forming ones too, that are not over or were so a short time ago; earliest first."""
        groups = sorted(self._state.groups.values(), key=lambda g: (g.first, g.key))
        return [g.incident() for g in groups]

    def changed(self) -> list[Incident]:
        """Incidents that have opened and changed since the last call: what a store has to save."""
        keys, self._state.changed = sorted(self._state.changed), set()
        groups = [self._state.groups[k] for k in keys if k in self._state.groups]
        return [g.incident() for g in groups if g.opened_ms is not None]

    def suppressed(self) -> list[Suppressed]:
        """What nobody was told of by itself since the last call, and why: what a store has to save."""
        found = self._suppressed.take()
        self.counts["suppressed items over the limit"] = self._suppressed.dropped
        return found

    def due_ms(self) -> int | None:
        """When a tick will have something to do if nothing else is fed; None = not at all."""
        state = self._state
        if state.now_ms is None:
            return None
        if state.regroup:
            return state.now_ms
        times = [t for g in state.groups.values() if (t := life.next_at(g, self.settings)) is not None]
        times += state.asleep.values()
        return state.now_ms + max(0, min(times) - state.at) if times else None

    def snapshot(self) -> bytes:
        """Everything it remembers, with the graph it had."""
        return self._state.pack(self.counts, self._saved_graph)

    def restore(self, data: bytes) -> None:
        """Go on from a snapshot.

        Rankings that were under way are asked for again. The saved graph serves until a new one is set: without any,
        all services would look unknown and what waits in the inbox would be thrown together.

        Raises
        ------
        StoreError : another version wrote it, or it is damaged
        """
        self._state, self.counts, graph = unpack(data)
        self.graph = self._graph if len(self._graph) else graph

    # -- hearing

    def _hear_anomaly(self, anomaly: Anomaly, when: Moment, muted: str, quiet: Quiet | None) -> None:
        state = self._state
        if anomaly.id in state.home:
            self._hear_again(anomaly, when, muted, quiet)
            return
        if known := state.loose.pop(anomaly.id, None):
            member = with_anomaly(known, anomaly, when.at, when.now_ms, quiet)
        elif state.is_late(anomaly.id, anomaly.updated_ms):
            self._late(anomaly, when)
            return
        else:
            member = from_anomaly(anomaly, when.now_ms, when.at, quiet)
        self._enter(member, when, muted)

    def _late(self, item: Anomaly | Event, when: Moment) -> None:
        self.counts["late"] += 1
        self._suppressed.note(item, LATE, when.now_ms)

    def _enter(self, member: Member, when: Moment, muted: str) -> None:
        state = self._state
        if member.quiet:
            self._suppressed.note(member.item, member.quiet, when.now_ms)
        if member.pages:
            state.begin(member, when, muted)
        elif len(state.loose) >= MAX_LOOSE:
            self.counts["evidence over the limit"] += 1
        else:
            state.loose[member.id] = member
            state.regroup = True
            if member.quiet_at is not None:
                state.asleep[member.id] = member.quiet_at

    def _hear_alert(self, alert: Event, when: Moment, muted: str, quiet: Quiet | None) -> None:
        state = self._state
        if alert.id in state.home:
            self._hear_again(alert, when, muted, quiet)
        elif known := state.loose.get(alert.id):
            self._hear_quiet(known, alert, when)
        elif state.is_late(alert.id, alert.time_ms):
            self._late(alert, when)
        elif alert.status == "resolved":
            # Its firing may still come, late; it must not open an incident then.
            state.past[alert.id] = (alert.time_ms, when.at)
            self.counts["resolved before it fired"] += 1
        else:
            self._enter(from_alert(alert, when.now_ms, when.at, quiet), when, muted)

    def _hear_quiet(self, known: Member, alert: Event, when: Moment) -> None:
        """One more word about an alert that is kept quiet."""
        if alert.status == "resolved":
            del self._state.loose[alert.id]
            self._state.past[alert.id] = (max(alert.time_ms, known.start_ms), when.at)
        else:
            self._state.loose[alert.id] = replace(known, heard_ms=when.at)

    def _hear_change(self, event: Event, when: Moment) -> None:
        state = self._state
        if event.id in state.changes:
            return
        if len(state.changes) >= MAX_LOOSE:
            state.changes.pop(next(iter(state.changes)))
            self.counts["changes over the limit"] += 1
        state.changes[event.id] = (when.at, event)
        state.regroup = True

    def _hear_again(self, item: Anomaly | Event, when: Moment, muted: str, quiet: Quiet | None) -> None:
        """One more word about a member."""
        group = self._state.groups[self._state.home[item.id]]
        known = group.members.get(item.id)
        if known is None:
            self._hear_extra(group, item, when)
            return
        if isinstance(item, Anomaly):
            member = with_anomaly(known, item, when.at, when.now_ms, quiet)
        else:
            member = self._alert_again(group, known, item, when)
        if member == known:
            return
        group.members[item.id] = member
        group.first = min(group.first, member.order) if member.pages else group.first
        group.version += 1
        if replace(member, heard_ms=known.heard_ms) != known:
            self._state.touch(group, when)
        if member.is_active and member.pages and group.muted and not muted:
            group.muted = ""
            self._state.touch(group, when)

    def _hear_extra(self, group: Group, item: Anomaly | Event, when: Moment) -> None:
        is_over = item.ended_ms is not None if isinstance(item, Anomaly) else item.status == "resolved"
        group.version += 1
        if is_over:
            del group.extra[item.id]
            del self._state.home[item.id]
        else:
            group.extra[item.id] = when.at

    def _alert_again(self, group: Group, known: Member, alert: Event, when: Moment) -> Member:
        if alert.status == "resolved":
            end_ms = alert.time_ms if alert.time_ms > known.start_ms else when.now_ms
            return with_end(known, min(end_ms, when.now_ms)) if known.is_active else known
        if known.is_active:
            self._suppressed.note(alert, REPEATED, when.now_ms, group.id)
            return replace(known, heard_ms=when.at)
        if alert.time_ms <= known.version_ms:
            self._late(alert, when)
            return known
        if known.pages:
            group.flap(when.at)
            self._suppressed.note(alert, CAME_BACK, when.now_ms, group.id)
        return replace(known, alert=alert, end_ms=None, heard_ms=when.at, comebacks=known.comebacks + 1)

    # -- deciding

    def _known(self, incident_id: str) -> Group | None:
        """The group of an incident that is not over, or was so a short time ago."""
        return next((g for g in self._state.groups.values() if g.id == incident_id), None)

    def _again(self, wish: Again) -> None:
        if (group := self._known(wish.incident_id)) is not None:
            group.wants_rank = True

    def _ranked(self, answer: Ranked, when: Moment) -> list[Rank | Send]:
        if (group := self._known(answer.incident_id)) is None:
            self.counts["rankings nobody waits for"] += 1
            return []
        if life.is_settled(group):
            group.asked_at, group.version = None, group.version + 1
            return []
        self._state.touch(group, when)
        return life.ranked(group, answer.ranking, self.settings, when)

    def _tick(self, when: Moment) -> list[Rank | Send]:
        state = self._state
        state.expire(self.settings, self.counts)
        if when.at - state.aged_at >= AGING_MS:
            state.aged_at = when.at
            self._age(when)
        self._wake(when)
        gather = Gather(state, self._linker, self.settings, when, counts=self.counts, suppressed=self._suppressed)
        if state.regroup or any(g.patient_at is not None and g.patient_at <= when.at for g in state.groups.values()):
            gather.regroup()
        actions: list[Rank | Send] = [*gather.mature()]
        for group in state.active():
            before = group.pulse()
            actions += life.step(group, self.settings, when)
            if group.pulse() != before:
                state.touch(group, when)
            if group.status == "resolved":
                state.leave(group)
        for group in state.over_and_asking():
            actions += life.step_over(group, self.settings, when)
        return actions

    def _wake(self, when: Moment) -> None:
        """Let speak what was quiet for a time that is over."""
        for member in self._state.awake():
            if self._state.loose.pop(member.id, None):
                self._state.begin(woken(member), when, "")
                continue
            group = self._state.groups[self._state.home[member.id]]
            group.members[member.id] = woken(member)
            group.first = min(group.first, member.order)
            self._state.touch(group, when)
            self._state.regroup = True

    def _age(self, when: Moment) -> None:
        """End what nobody has spoken of for `max_age_s`, and say so."""
        limit_ms = round(self.settings.max_age_s * 1000)
        for group in self._state.active():
            old = [m for m in group.members.values() if m.is_active and when.at - m.heard_ms >= limit_ms]
            gone = [i for i, heard_at in group.extra.items() if when.at - heard_at >= limit_ms]
            for member in old:
                why = f"nobody spoke of it for {self.settings.max_age_s / 3600:.3g} h: taken as ended"
                group.members[member.id] = with_end(member, when.now_ms, why)
            for member_id in gone:
                del group.extra[member_id]
                del self._state.home[member_id]
            if old or gone:
                self.counts["aged out"] += len(old) + len(gone)
                log.warning("members aged out incident=%s count=%d", group.id, len(old) + len(gone))
                self._state.touch(group, when)
