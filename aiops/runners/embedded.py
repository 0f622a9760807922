"""The whole service in one process.

One task owns both machines. Each cycle takes one batch, one answer or the new events, and saves everything that came of
it in one transaction; what is not saved has not happened. Sources, ranker, delivery and web run beside it and only meet
it at the queue and in the store.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import perf_counter

from aiops.delivery import Carrier
from aiops.errors import AiopsError, StoreError
from aiops.graphs.merged import GraphKeeper
from aiops.model import Event, Incident, Notification
from aiops.pipeline import Act, Pipeline, Shard, pieces
from aiops.runners._cases import Cases, PastsOf
from aiops.runners._clock import EventClock
from aiops.runners._late import Lateness
from aiops.runners._pace import Pace
from aiops.runners._ranking import RankFunction, RankingTasks
from aiops.runners._report import Reporter
from aiops.runners._rest import Rest
from aiops.runners._saved import Saver
from aiops.runners._tasks import cancelled, until
from aiops.runners._watching import Watching
from aiops.sources import Batch
from aiops.stores import Cycle
from aiops.telemetry import Health, Telemetry
from aiops.triage import Rank, Ranked, Send
from rca import ServiceGraph

log = logging.getLogger(__name__)

SHORTEST_S = 0.05  # chosen: what is due and does not pass must not keep a core busy
CATCHING_UP_MS = 120_000  # chosen: live data is at most two steps and its lateness behind
FIRST_GRAPH_S = 10.0  # chosen: most graphs come within one second; until then events wait in the inbox


@dataclass(frozen=True, slots=True)
class _Arrived:
    """A batch of a shard."""

    shard: Shard
    batch: Batch


@dataclass(slots=True)
class _Outcome:
    """What a cycle asks to be done."""

    sends: list[Notification] = field(default_factory=list)
    ranks: list[tuple[Rank, int]] = field(default_factory=list)

    def act(self, action: Rank | Send, now_ms: int) -> None:
        """Keep an action for after the cycle."""
        if isinstance(action, Send):
            self.sends.append(action.notification)
        else:
            self.ranks.append((action, now_ms))


class Embedded:
    """Runs a pipeline until it is told to stop.

    Parameters
    ----------
    notify_max_age_s : what is seen later than this is recorded and not told
    opened : told of each incident that is saved, new or changed
    pasts : gives the recent rows an incident is ranked by, where detectors are elsewhere; None = they are here
    """

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        saver: Saver,
        delivery: Carrier,
        graphs: GraphKeeper,
        rank: RankFunction,
        telemetry: Telemetry,
        health: Health,
        clock: EventClock,
        notify_max_age_s: float,
        opened: Callable[[Incident], None] | None = None,
        pace: Pace | None = None,
        pasts: PastsOf | None = None,
    ) -> None:
        self.pipeline = pipeline
        self.saver = saver
        self.clock = clock
        self._delivery = delivery
        self._graphs = graphs
        self._telemetry = telemetry
        self._health = health
        self._cases = Cases(pipeline, saver, pasts)
        self._lateness = Lateness(clock, notify_max_age_s)
        self._opened = opened
        self._pace = pace or Pace()
        self._queue: asyncio.Queue[_Arrived | Ranked | None] = asyncio.Queue(maxsize=4)
        self._outbox_filled = asyncio.Event()
        self._inbox_filled = True  # of the last run, perhaps
        self._rest = Rest(self._rouse)
        self._ranking = RankingTasks(rank, failed=telemetry.ranking_failed)
        self._new_graph: ServiceGraph | None = None
        self._history_ms: int | None = None
        self._graph_read = asyncio.Event()
        self._watching = Watching(saver.store, delivery, health, telemetry, self._outbox_filled)
        self._reporter = Reporter(
            pipeline,
            delivery,
            saver.store,
            telemetry=telemetry,
            health=health,
            wall_ms=clock.wall_ms,
            steady=clock.steady_s,
        )

    async def run(self, stop: asyncio.Event, *besides: Callable[[], Coroutine[None, None, None]]) -> None:
        """Take up what was saved, then run until `stop` is set; finishes the cycle under way and saves once more.

        Parameters
        ----------
        besides : further long-running parts (the web server), stopped with the rest

        Raises
        ------
        StoreError : what was saved cannot be read
        AiopsError : a source will not work until somebody changes something
        """
        if (clock_ms := self.saver.restore(self.pipeline)) is not None:
            self.clock.resume(clock_ms)
        for incident in self.pipeline.triage.incidents():
            if incident.opened_ms is not None:
                self._telemetry.incident(incident)
        tasks = [asyncio.create_task(self._read(shard), name=shard.name) for shard in self.pipeline.shards]
        tasks += [
            asyncio.create_task(part()) for part in (self._refresh_graph, self._deliver, self._report, self._watch)
        ]
        beside = [asyncio.create_task(part()) for part in besides]
        cycles = asyncio.create_task(self._cycles(stop))
        try:
            await until(stop, [*tasks, *beside, cycles])
        finally:
            stop.set()
            self._rouse()
            self._graph_read.set()
            faults = await self._end([*tasks, *self._ranking.tasks], [*beside, cycles])
        if faults:
            raise faults[0]

    def wake(self) -> None:
        """Look at the inbox now, or as soon as the last cycle has rested, instead of at the next tick."""
        self._inbox_filled = True
        self._rest.ask()

    def _rouse(self) -> None:
        if not self._queue.full():
            self._queue.put_nowait(None)

    # -- tasks

    async def _read(self, shard: Shard) -> None:
        after = shard.detection.last_ms if shard.detection.last_ms > 0 else None
        while True:
            try:
                async for batch in shard.source.read(after):
                    for piece in pieces(batch):
                        await self._queue.put(_Arrived(shard, piece))
                    after = batch.position
            except Exception as error:  # noqa: BLE001 - one that fails must not take the others with it, nor the alerts
                self._source_failed(shard, error)
            else:
                return
            await asyncio.sleep(self._pace.source_s)

    def _source_failed(self, shard: Shard, error: Exception) -> None:
        foreseen = isinstance(error, AiopsError)
        reason = str(error) if foreseen else f"{type(error).__name__}: {error}"
        log.warning("source failed source=%s reason=%s", shard.name, reason, exc_info=None if foreseen else error)
        self._reporter.failed(shard, reason)

    async def _refresh_graph(self) -> None:
        while True:
            # Edges of a sender that fills in the past are seen at the data's time, not at ours.
            seen_ms = self._history_ms if self._history_ms and not self.clock.is_set else self.clock.now_ms()
            self._new_graph = await self._graphs.refresh(seen_ms)
            self._graph_read.set()
            await asyncio.sleep(self._graphs.refresh_s)

    async def _deliver(self) -> None:
        while True:
            try:
                wait_s = await self._delivery.run_once(self.clock.wall_ms())
            except StoreError as error:
                self._failed("delivery", error)
                wait_s = self._pace.store_s
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._outbox_filled.wait()
            self._outbox_filled.clear()

    async def _report(self) -> None:
        while True:
            try:
                self._reporter.report()
            except StoreError as error:
                self._failed("store", error)
            await asyncio.sleep(self._pace.report_s)

    async def _watch(self) -> None:
        """Tell people of what keeps us from watching; by itself, so that a slow receiver does not stop the reports."""
        intervals_s = {shard.name: shard.source.step_s for shard in self.pipeline.shards}
        while True:
            await asyncio.sleep(self._pace.report_s)
            await self._watching.look(self.clock.wall_ms(), intervals_s)

    async def _cycles(self, stop: asyncio.Event) -> None:
        # Alerts that wait in the inbox of a first start must not be grouped before it is known who calls whom.
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_GRAPH_S):
                await self._graph_read.wait()
        while not stop.is_set():
            item: _Arrived | Ranked | None = None
            with suppress(TimeoutError):
                async with asyncio.timeout(self._patience_s()):
                    item = await self._queue.get()
            started = perf_counter()
            self._reporter.working(now=True)
            outcome = await self._cycle(item)
            self._reporter.working(now=False)
            await self._save(outcome, stop)
            self._telemetry.cycle(took_s := perf_counter() - started)
            self._rest.worked(took_s)

    def _patience_s(self) -> float:
        """How long nothing may come: a tick, or until triage has something to do."""
        due_ms = self.pipeline.triage.due_ms()
        due_s = self._pace.tick_s if due_ms is None else (due_ms - self.clock.now_ms()) / 1000
        return min(self._pace.tick_s, max(SHORTEST_S, due_s))

    async def _cycle(self, item: _Arrived | Ranked | None) -> _Outcome:
        outcome, pipeline = _Outcome(), self.pipeline
        act = self._acting(outcome)
        events = [(event, self._lateness.of_received(event)) for event in await self._inbox()]
        if self._new_graph is not None:
            pipeline.triage.graph, self._new_graph = self._new_graph, None
        if isinstance(item, _Arrived):
            events += [(event, self._lateness.of_time(event.time_ms)) for event in item.batch.events]
        pipeline.undo_asked()
        pipeline.changed(event for event, _ in events)
        if isinstance(item, _Arrived):
            await asyncio.to_thread(self._arrived, item, act)
        answer = item if isinstance(item, Ranked) else None
        await asyncio.to_thread(self._decide, events, answer, self.clock.now_ms(), act)
        self._start_ranking(outcome)
        return outcome

    def _decide(self, events: Sequence[tuple[Event, str]], answer: Ranked | None, now_ms: int, act: Act) -> None:
        for event, muted in events:
            self._telemetry.event(event)
            self.pipeline.tell(event, now_ms, act, muted=muted)
        if answer is not None:
            self.pipeline.answer(answer, now_ms, act)
        self.pipeline.tick(now_ms, act)

    def _arrived(self, item: _Arrived, act: Act) -> None:
        found = item.shard.feed(item.batch)
        if not item.batch.history:
            item.shard.ask()
        self._reporter.heard(item.shard, item.batch)
        self._telemetry.batch(item.shard.name, item.batch, found)
        if item.batch.history:
            # Alerts that come meanwhile are of now: they must not be dated back, nor days pass for them.
            self._history_ms = item.batch.position
        else:
            after_ms = self.clock.now_ms() if self.clock.is_set else -(2**62)
            self.clock.reached(item.batch.position)
            muted = self._lateness.of_time
            self.pipeline.take(found, self.clock.now_ms(), act, after_ms=after_ms, muted=muted)

    def _acting(self, outcome: _Outcome) -> Act:
        """What is done with actions: most wait for the end of the cycle.

        Old data passes faster than a ranking takes: it is ranked at once, as in a replay, or the incident would be told
        before its cause is known.
        """
        loop = asyncio.get_running_loop()

        def act(action: Rank | Send, at_ms: int) -> None:
            if isinstance(action, Rank) and self.clock.wall_ms() - at_ms > CATCHING_UP_MS:
                # Machines work in a thread of their own: the loop goes on and may fetch what the case is made of.
                case = asyncio.run_coroutine_threadsafe(self._cases.of(action.incident, at_ms), loop).result()
                self.pipeline.answer(self._ranking.ranked(case), at_ms, act)
            else:
                outcome.act(action, at_ms)

        return act

    async def _inbox(self) -> list[Event]:
        if not self._inbox_filled:
            return []
        self._inbox_filled = False  # before reading: what comes meanwhile sets it again
        try:
            events = await asyncio.to_thread(self.saver.inbox)
        except StoreError as error:
            self._failed("store", error)
            self._inbox_filled = True
            return []
        self._inbox_filled |= bool(events)  # there may be more than were given at once
        return events

    def _start_ranking(self, outcome: _Outcome) -> None:
        for action, now_ms in outcome.ranks:
            self._ranking.start(self._cases.of(action.incident, now_ms), self._queue.put)

    async def _save(self, outcome: _Outcome, stop: asyncio.Event) -> None:
        now_ms = self._clock_ms()
        cycle = await asyncio.to_thread(self.saver.cycle, self.pipeline, outcome.sends, clock_ms=now_ms)
        if cycle is None:
            return
        for incident in cycle.incidents:
            self._telemetry.incident(incident)
        wait_s = self._pace.store_s
        while not await self._committed(cycle):
            # Nothing new is taken up before this is saved: senders are told to wait, and Prometheus keeps its samples.
            if stop.is_set():
                raise StoreError("stopped with a cycle that could not be saved; it will be done again")
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await stop.wait()
            wait_s = min(2 * wait_s, self._pace.longest_store_s)
        if cycle.snapshots:
            self._telemetry.snapshot_taken()
        if outcome.sends:
            self._outbox_filled.set()
        if self._opened is not None:
            for incident in cycle.incidents:
                self._opened(incident)

    def _clock_ms(self) -> int | None:
        return self.clock.now_ms() if self.clock.is_set else None

    async def _committed(self, cycle: Cycle) -> bool:
        try:
            await asyncio.to_thread(self.saver.commit, cycle)
        except StoreError as error:
            self._failed("store", error)
            return False
        self._health.good("store")
        return True

    def _failed(self, part: str, error: AiopsError) -> None:
        if isinstance(error, StoreError):
            self._telemetry.store_error()
        self._health.bad(part, str(error))

    # -- the end

    async def _end(self, tasks: Sequence[asyncio.Task[None]], ending: Sequence[asyncio.Task[None]]) -> list[Exception]:
        """Stop the readers at once, let the cycle and the requests under way finish, then save a last time."""
        await cancelled(tasks, again_s=self._pace.tick_s)
        ended = await asyncio.gather(*ending, return_exceptions=True)
        await self._delivery.close()
        faults = [fault for fault in ended if isinstance(fault, Exception)]
        # What a cycle that failed has left in memory may be half of it; the store has the whole one before.
        is_whole = not isinstance(ended[-1], BaseException)
        cycle = self.saver.cycle(self.pipeline, (), clock_ms=self._clock_ms(), last=True) if is_whole else None
        if cycle is not None:
            await asyncio.to_thread(self.saver.commit, cycle)
        return faults
