"""The pipeline over history, as fast as it goes: event time only, ranking at once, nothing sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from time import process_time

from aiops.model import Anomaly, Block, Event, Incident, Notification
from aiops.pipeline import Pipeline, Shard
from aiops.sources import Batch
from aiops.triage import Rank, Ranked, Send
from rca import Case, Ranking

ROWS = 240  # rows detected at once; the ring holds twice as many, so a case always finds as many rows before it


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
        pieces = [piece for block in batch.blocks for piece in _pieces(block)]
        for piece in pieces:
            end_ms = int(piece.times[-1])
            found = shard.feed(Batch(end_ms, (piece,), history=batch.history))
            if not batch.history:
                self._count(piece)
                self._pass(found, end_ms)
        if not pieces and not batch.history:
            self._pass([], batch.position)

    def finish(self) -> None:
        """Take the events that are left and stop at the last of them."""
        if self._events:
            self._pass([], self._events[-1].time_ms)

    def _pass(self, found: Sequence[Anomaly], until_ms: int) -> None:
        due = [e for e in self._events if e.time_ms <= until_ms]
        self._events = self._events[len(due) :]
        self.result.events += len(due)
        self.result.alerts += sum(1 for e in due if e.kind == "alert" and e.status == "firing")
        self.pipeline.take([*found, *due], until_ms, self._act)
        self.result.incidents |= {i.id: i for i in self.pipeline.triage.changed()}

    def _act(self, action: Rank | Send, now_ms: int) -> None:
        if isinstance(action, Send):
            self.result.notifications.append(action.notification)
            return
        ranking = self._rank(self.pipeline.case(action.incident, now_ms))
        self.pipeline.answer(Ranked(action.incident.id, ranking), now_ms, self._act)

    def _count(self, block: Block) -> None:
        self.result.samples += block.values.size
        if self.result.first_ms is None:
            self.result.first_ms = int(block.times[0])
        self.result.last_ms = int(block.times[-1])


def _pieces(block: Block) -> list[Block]:
    starts = range(0, len(block.times), ROWS)
    return [Block(block.times[s : s + ROWS], block.ids, block.values[s : s + ROWS]) for s in starts]
