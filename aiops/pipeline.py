"""Both machines and the rows between them: what live runs and replays have in common.

No clock and no I/O: a runner says what time it is, does what `act` is told, and feeds the answers back.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

import numpy as np

from aiops.cases import Past, build_case
from aiops.detection.accepted import Accepted
from aiops.detection.machine import Detection
from aiops.detection.maintenance import Window, why
from aiops.detection.rules import DetectionRules
from aiops.history import History
from aiops.model import Anomaly, Block, Event, Incident
from aiops.policy import Policy
from aiops.silence import is_silence
from aiops.sources import Batch, Source
from aiops.triage import Again, Rank, Ranked, Send, Tick, Triage
from rca import Case

log = logging.getLogger(__name__)

ROWS = 240
"""Rows detected at once; the ring of recent rows holds twice as many, so a case always finds as many rows before it."""

ASK_EVERY_MS = 600_000
"""How often stopped series are looked for: chosen, a small part of the shortest time after which they are let go."""

LISTEN_MS = 15_000
"""How often what is silenced is looked at again: chosen, as often as silences are read."""

Act = Callable[[Rank | Send, int], None]
"""What the runner does with an action, and the time at which it was asked for."""


@dataclass(slots=True)
class Shard:
    """A source with the detectors and the recent rows of its series.

    `learnt_ms` is the last row the detectors have seen, `told_ms` the last one whose anomalies went to triage and were
    saved; after a restart the rows between the two are learnt in silence. `siblings` are all shards of a pipeline: they
    share what budget there is for all series together. `marks` is how far the logs behind the source are read.
    `evicted` is how many series were let go because they had stopped.
    """

    source: Source
    rules: DetectionRules = field(default_factory=DetectionRules)
    history: History = field(default_factory=History)
    told_ms: int = -(2**62)
    siblings: tuple[Shard, ...] = ()
    marks: dict[str, int] = field(default_factory=dict)
    evicted: int = 0
    asked_ms: int = -(2**62)
    detection: Detection = field(init=False)

    def __post_init__(self) -> None:
        self.detection = Detection(self.source.table, self.source.step_s, self.rules)

    @property
    def name(self) -> str:
        """The name of the source."""
        return self.source.name

    def feed(self, batch: Batch) -> list[Anomaly]:
        """Detect in a batch; history and rows that were told before only teach, rows seen before are dropped."""
        found = self._let_go(batch.let_go)
        self.detection.others = sum(shard.detection.paging for shard in self.siblings if shard is not self)
        for block in batch.blocks:
            fresh = _rows(block, _until(block, self.detection.last_ms), len(block.times))
            told = len(fresh.times) if batch.history else _until(fresh, self.told_ms)
            self.history.append(fresh)
            self.detection.learn(_rows(fresh, 0, told))
            found += self.detection.feed(_rows(fresh, told, len(fresh.times)))
        self.told_ms = max(self.told_ms, batch.position)
        self.marks.update(batch.marks)
        return [*found, *batch.found]

    def ask(self) -> None:
        """Now and then ask the source to let go of series that have stopped; to be called after rows that are live."""
        if self.detection.last_ms - self.asked_ms >= ASK_EVERY_MS:
            self.asked_ms = self.detection.last_ms
            self.source.table.ask(np.flatnonzero(self.detection.stopped()).tolist())

    def _let_go(self, numbers: Sequence[int]) -> list[Anomaly]:
        """Leave nothing of series that have stopped, before other series get their numbers."""
        gone = [number for number in numbers if self.source.table.is_unnamed(number)]
        if not gone:
            return []
        ended = self.detection.forget(gone)
        self.history.forget(gone)
        self.source.table.free(gone)
        self.evicted += len(gone)
        log.info(
            "series that had stopped were let go source=%s series=%d left=%d",
            self.name,
            len(gone),
            len(self.source.table),
        )
        return ended

    def forget(self) -> None:
        """Start the detectors cold."""
        self.detection = Detection(self.source.table, self.source.step_s, self.rules)
        self.history = History(self.history.rows)

    def past(self) -> Past:
        """What a root-cause case is built from."""
        return Past(self.source.table, self.history, self.source.step_s)


class Pipeline:
    """All shards and the one triage.

    Attributes
    ----------
    policy : what verdicts have taught; may be replaced at any time, by any thread

    Parameters
    ----------
    maintenance : when nobody is to be told of alerts of some services
    silenced : why nobody is to be told of something now, because people have said so; "" = they have not
        None = nobody can
    """

    def __init__(
        self,
        shards: Sequence[Shard],
        triage: Triage,
        maintenance: Sequence[Window] = (),
        silenced: Callable[[Anomaly | Event], str] | None = None,
    ) -> None:
        self.shards = tuple(shards)
        for shard in self.shards:
            shard.siblings = self.shards
        self.triage = triage
        self.policy = Policy()
        self._maintenance = tuple(maintenance)
        self._silenced = silenced
        self._unmuted_ms = self._heard_ms = -(2**62)
        self._to_undo: deque[str] = deque()
        self._to_rank: deque[str] = deque()

    def take(
        self,
        items: Sequence[Anomaly | Event],
        until_ms: int,
        act: Act,
        *,
        after_ms: int = -(2**62),
        muted: Callable[[int], str] = lambda _: "",
    ) -> None:
        """Tell triage of items at their own times, letting time pass between them and up to `until_ms`.

        Parameters
        ----------
        after_ms : the time that has passed already; older items are told as of then, because time never goes back
        muted : why nobody is to be told of an item of that time
        """
        in_order = sorted(items, key=lambda i: (_when(i), i.id))
        for at_ms, together in groupby(in_order, key=lambda i: min(max(_when(i), after_ms), until_ms)):
            self.tick(at_ms, act)
            for item in together:
                self._hear(item, at_ms, act, muted(_when(item)))
            # Quiet times count from the tick that finds everything over, so there must be one now.
            self.tick(at_ms, act)
        self.tick(until_ms, act)

    def tell(self, event: Event, now_ms: int, act: Act, *, muted: str = "") -> None:
        """Tell triage of an event."""
        self._hear(event, now_ms, act, muted)

    def _hear(self, item: Anomaly | Event, now_ms: int, act: Act, muted: str) -> None:
        muted = muted or self._worked_on(item, now_ms)
        is_judged = isinstance(item, Anomaly) or (item.kind == "alert" and item.status == "firing")
        quiet = self.policy.quiet(item, now_ms) if is_judged else None
        self._do(self.triage.feed(item, now_ms, muted, quiet), now_ms, act)

    def changed(self, events: Iterable[Event]) -> None:
        """Let detection know of changes among events, before the rows that come after them are fed."""
        for event in events:
            if event.kind != "alert":
                for shard in self.shards:
                    shard.detection.changed([event.service], event.time_ms, event.kind)

    def accepted(self) -> list[Accepted]:
        """Levels that were taken for normal after a change, latest first; any thread may ask."""
        return sorted((a for s in self.shards for a in s.detection.accepted), key=lambda a: (-a.accepted_ms, a.id))

    def ask_undo(self, accepted_id: str) -> None:
        """Ask for an accepted level to be taken back with the next cycle; any thread may ask."""
        self._to_undo.append(accepted_id)

    def ask_ranking(self, incident_id: str) -> None:
        """Ask for an incident to be ranked again, because more is known than the last time; any thread may ask."""
        self._to_rank.append(incident_id)

    def undo_asked(self) -> list[Accepted]:
        """Take back what was asked for. Returns what was taken back."""
        asked = [self._to_undo.popleft() for _ in range(len(self._to_undo))]
        undone = (shard.detection.take_back(one) for one in asked for shard in self.shards)
        return [one for one in undone if one is not None]

    def answer(self, ranked: Ranked, now_ms: int, act: Act) -> None:
        """Give triage the ranking it asked for."""
        self._do(self.triage.feed(ranked, now_ms), now_ms, act)

    def tick(self, now_ms: int, act: Act) -> None:
        """Let time pass up to `now_ms`, stopping wherever triage has something to do."""
        for wish in [Again(self._to_rank.popleft()) for _ in range(len(self._to_rank))]:
            self._do(self.triage.feed(wish, now_ms), now_ms, act)
        while (due := self.triage.due_ms()) is not None and due < now_ms:
            self._do(self.triage.feed(Tick(), due), due, act)
            if self.triage.due_ms() == due:
                break
        self._unmute(now_ms)
        self._do(self.triage.feed(Tick(), now_ms), now_ms, act)

    def case(self, incident: Incident, now_ms: int) -> Case:
        """What is known of an incident at `now_ms`."""
        return build_case(incident, [shard.past() for shard in self.shards], self.triage.graph, now_ms)

    def _worked_on(self, item: Anomaly | Event, now_ms: int) -> str:
        """Why nobody is to be told of it: its service is worked on (alerts only), or somebody has silenced it."""
        if isinstance(item, Event) and item.kind != "alert":
            return ""
        # What counts is when it is told: an alert that still fires after the maintenance is real.
        worked_on = why(self._maintenance, item.service, now_ms) if isinstance(item, Event) else ""
        return worked_on or (self._silenced(item) if self._silenced else "")

    def _unmute(self, now_ms: int) -> None:
        """Tell again of what goes on after maintenance or a silence has ended: alerts are repeated hours later."""
        ended = [w for w in self._maintenance if self._unmuted_ms < w.end_ms <= now_ms]
        self._unmuted_ms = max(self._unmuted_ms, now_ms)
        listens = self._silenced is not None and not self._heard_ms <= now_ms < self._heard_ms + LISTEN_MS
        if not ended and not listens:
            return
        self._heard_ms = now_ms
        reasons = {w.said() for w in ended}
        for incident in self.triage.incidents():
            if incident.status != "resolved" and (incident.muted in reasons or is_silence(incident.muted)):
                for item in _active(incident):
                    self.triage.feed(item, now_ms, muted=self._worked_on(item, now_ms))

    @staticmethod
    def _do(actions: Sequence[Rank | Send], now_ms: int, act: Act) -> None:
        for action in actions:
            act(action, now_ms)


def pieces(batch: Batch) -> list[Batch]:
    """A batch as batches of one block with at most `ROWS` rows; its position and its events come with the last."""
    cuts = [_rows(b, start, start + ROWS) for b in batch.blocks for start in range(0, len(b.times), ROWS)]
    if len(cuts) <= 1:
        return [batch]
    first = [Batch(int(cut.times[-1]), (cut,), history=batch.history, let_go=batch.let_go) for cut in cuts[:-1]]
    return [*first, replace(batch, blocks=(cuts[-1],))]


def _active(incident: Incident) -> Iterator[Anomaly | Event]:
    """What may page and goes on."""
    yield from (alert for alert in incident.alerts if alert.status == "firing")
    yield from (anomaly for anomaly in incident.anomalies if anomaly.pages and anomaly.ended_ms is None)


def _rows(block: Block, start: int, end: int) -> Block:
    return Block(block.times[start:end], block.ids, block.values[start:end])


def _until(block: Block, time_ms: int) -> int:
    """How many rows are not after that time."""
    return int(np.searchsorted(block.times, time_ms, side="right"))


def _when(item: Anomaly | Event) -> int:
    return item.updated_ms if isinstance(item, Anomaly) else item.time_ms
