"""The pipeline over history, as fast as it goes: event time only, ranking at once, nothing sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from time import process_time

from aiops.model import Anomaly, Block, Event, Incident, Notification
from aiops.pipeline import ROWS, Pipeline, Shard, pieces
from aiops.sources import Batch
from aiops.triage import Rank, Ranked, Send
from rca import Case, Ranking


@dataclass(slots=True)
class Replayed:
    """What a replay found.

    `cpu_s` is what our own code took: reading and waiting for the source are left out.
    """

    incidents: dict[str, Incident] = field(default_factory=dict)
    notifications: list[Notification] = field(default_factory=list)
    alerts: int = 0
    events: int = 0
    samples: int = 0
    first_ms: int | None = None
    last_ms: int | None = None
    cpu_s: float = 0.0
    suppressed: Counter[str] = field(default_factory=Counter)
    """Items nobody was told of by themselves, by the reason."""

    def pages(self) -> int:
        """Incidents somebody would have been told of."""
        return sum(1 for n in self.notifications if n.reason == "opened")


class Replay:
    """Runs a pipeline over batches that come in time order.

    Parameters
    ----------
    rank : the ranker
    events : alerts and changes of the same period, any order
    """

    def __init__(self, pipeline: Pipeline, rank: Callable[[Case], Ranking], events: Sequence[Event] = ()) -> None:
        self.pipeline = pipeline
        self.result = Replayed()
        self._rank = rank
        self._passed_ms = -(2**62)
        self._events = sorted(events, key=lambda e: (e.time_ms, e.id, e.status))

    async def run(self, shard: Shard, batches: AsyncIterator[Batch]) -> Replayed:
        """Take all batches of one shard, then the events after them, then let everything come to rest."""
        async for batch in batches:
            started = process_time()
            self.take(shard, batch)
            self.result.cpu_s += process_time() - started
        self.finish()
        return self.result

    def take(self, shard: Shard, batch: Batch) -> None:
        """Take one batch, in pieces of `ROWS` rows."""
        self._events = sorted([*self._events, *batch.events], key=lambda e: (e.time_ms, e.id, e.status))
        for piece in pieces(batch):
            self.pipeline.changed(e for e in self._events if e.time_ms <= piece.position)
            found = shard.feed(piece)
            if not batch.history:
                self._count(piece.blocks)
                self._pass(found, piece.position)

    def finish(self) -> None:
        """Take the events that are left and stop at the last of them."""
        if self._events:
            self._pass([], self._events[-1].time_ms)

    def _pass(self, found: Sequence[Anomaly], until_ms: int) -> None:
        due = [e for e in self._events if e.time_ms <= until_ms]
        self._events = self._events[len(due) :]
        self.result.events += len(due)
        self.result.alerts += sum(1 for e in due if e.kind == "alert" and e.status == "firing")
        until_ms = max(until_ms, self._passed_ms)
        self.pipeline.take([*found, *due], until_ms, self._act, after_ms=self._passed_ms)
        self._passed_ms = until_ms
        self.result.incidents |= {i.id: i for i in self.pipeline.triage.changed()}
        for one in self.pipeline.triage.suppressed():
            self.result.suppressed[one.reason] += one.count

    def _act(self, action: Rank | Send, now_ms: int) -> None:
        if isinstance(action, Send):
            self.result.notifications.append(action.notification)
            return
        ranking = self._rank(self.pipeline.case(action.incident, now_ms))
        self.pipeline.answer(Ranked(action.incident.id, ranking), now_ms, self._act)

    def _count(self, blocks: Sequence[Block]) -> None:
        for block in blocks:
            self.result.samples += block.values.size
            if len(block.times):
                self.result.first_ms = self.result.first_ms or int(block.times[0])
                self.result.last_ms = int(block.times[-1])


__all__ = ["ROWS", "Replay", "Replayed"]
