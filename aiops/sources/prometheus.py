"""Samples pulled from a Prometheus server.

Rule 1: steps come once, in order, whatever the clock does.
Rule 2: a step is yielded when it is complete, or older than the lateness; what is missing then stays missing.
Rule 3: while the server as a whole does not answer, nothing is yielded; afterwards the gap is read like history.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing

import numpy as np

from aiops.errors import InputError, Refused, SourceError
from aiops.model import Block, Event
from aiops.packs import Recipe
from aiops.series import SeriesTable
from aiops.sources._base import Batch
from aiops.sources._prometheus_alerts import past_alerts
from aiops.sources._prometheus_answer import Window
from aiops.sources._prometheus_client import PrometheusClient, Sample
from aiops.sources._prometheus_columns import Columns
from aiops.sources._prometheus_connection import Connection
from aiops.sources._prometheus_health import Ledger, SourceHealth
from aiops.sources._prometheus_steps import Reading, Steps
from aiops.sources._prometheus_timing import Timing
from aiops.sources._range import Matrix, Patience, RangeReader

log = logging.getLogger(__name__)

LATE_SHARE = 0.5
"""A query is late with a step when it brings fewer than this share of the series it brought the step before. Chosen:
single series come and go all the time and must not hold up the others; late data is missing for whole jobs."""

GIVEN_UP_STEPS = 3
"""Steps in a row that a query has missed after which nobody waits for it any more, until it answers again. Chosen."""

BEHIND_ROWS = 20
"""Rows behind beyond the lateness from which the gap is read like history, in chunks. Chosen."""


class PrometheusSource:
    """Yields the signals of recipes, step by step, first from the past and then live.

    Parameters
    ----------
    query_of : the query of a recipe
    clock : unix seconds
    sleep : waits seconds of that clock
    """

    def __init__(
        self,
        name: str,
        client: PrometheusClient,
        recipes: Sequence[Recipe],
        table: SeriesTable,
        *,
        query_of: Callable[[Recipe], str],
        timing: Timing | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        patience: Patience | None = None,
    ) -> None:
        if not recipes:
            raise InputError(f"source {name}: at least one recipe is needed")
        self.name, self.table, self.client = name, table, client
        self.timing = timing or Timing()
        self.step_s = self.timing.step_s
        self._sleep = sleep
        self._patience = patience or Patience()
        self._ledger = Ledger(name)
        queries, columns = [query_of(recipe) for recipe in recipes], Columns(table, recipes)
        self._steps = Steps(client, queries, columns, self._ledger, clock=clock, sleep=sleep, patience=self._patience)
        self._brought = np.zeros(len(queries), np.int64)
        self._missed: Counter[int] = Counter()

    @property
    def health(self) -> SourceHealth:
        """How the source is doing."""
        return self._ledger.health()

    async def read(self, after: int | None) -> AsyncGenerator[Batch]:
        """Yield history, what was missed since position `after`, and then live steps, for ever.

        Raises
        ------
        Refused : the server refuses us at the start: wrong address or credentials
        """
        await self._steps.connect(stubborn=True)
        position = after
        while True:
            for window, is_history in self._gap(position):
                async with aclosing(self._steps.chunks(window, stubborn=True)) as chunks:
                    async for reading in chunks:
                        position = reading.window.end_ms
                        self._brought = reading.present[:, -1]
                        yield Batch(position, _blocks(reading.block), history=is_history, let_go=reading.let_go)
            if position is None:
                position = self._newest_ms() - self.timing.step_ms
            async for batch in self._live(position):
                position = batch.position
                yield batch

    async def read_range(self, start_ms: int, end_ms: int) -> AsyncGenerator[Batch]:
        """Yield the steps inside [start_ms, end_ms] as fast as they come, for replay.

        Raises
        ------
        Unavailable : the server or a query did not answer in spite of retries
        Refused : the server refuses us, or all queries; one refused query is missing and counted
        """
        await self._steps.connect(stubborn=False)
        window = Window.aligned(start_ms, end_ms, self.step_s)
        async with aclosing(self._steps.chunks(window, stubborn=False)) as chunks:
            async for reading in chunks:
                yield Batch(reading.window.end_ms, _blocks(reading.block), let_go=reading.let_go)

    async def alerts(self, start_ms: int, end_ms: int) -> list[Event]:
        """Alerts that fired in a period, as events at their beginnings and ends, in time order.

        An alert still firing at the end has no end; alerts shorter than a step may be overlooked. Raises `SourceError`.
        """
        return await past_alerts(self.client.ranges, Window.aligned(start_ms, end_ms, self.step_s))

    # -- inside

    def _gap(self, after: int | None) -> list[tuple[Window, bool]]:
        """What to read before live steps: windows, and whether they are history."""
        t, now_ms = self.timing, self._steps.now_ms()
        step, end_ms = t.step_ms, self._newest_ms() - t.lateness_ms
        if after is None:
            start_ms, teach_until_ms = now_ms - round(t.history_s * 1000), now_ms - round(t.recent_s * 1000)
        else:
            oldest_ms = now_ms - round(max(t.history_s, t.max_catch_up_s) * 1000)
            start_ms, teach_until_ms = max(after + step, oldest_ms), now_ms - round(t.max_catch_up_s * 1000)
            skipped_s = (start_ms - after - step) // 1000
            self._ledger.count({"gap_skipped_s": skipped_s})
            if start_ms <= end_ms:
                log.info("catching up source=%s gap_s=%d skipped_s=%d", self.name, (now_ms - after) // 1000, skipped_s)
        whole = Window.aligned(start_ms, end_ms, self.step_s)
        teach = Window.aligned(start_ms, min(end_ms, teach_until_ms), self.step_s)
        rest = Window(whole.start_ms + teach.rows * step, whole.end_ms, step)
        return [(window, is_history) for window, is_history in ((teach, True), (rest, False)) if window.rows]

    def _newest_ms(self) -> int:
        """The newest step worth asking for."""
        step = self.timing.step_ms
        return (self._steps.now_ms() - self.timing.settle_ms) // step * step

    async def _live(self, position: int) -> AsyncIterator[Batch]:
        """Yield steps as they come; returns when too far behind."""
        t, attempt = self.timing, 0
        patience = Patience(2, 0.2, 1.0, request_s=max(5.0, t.lateness_ms / 1000), accept_partial=True)
        while True:
            newest = await self._next_step(position)
            if newest - position > t.lateness_ms + BEHIND_ROWS * t.step_ms:
                return
            try:
                reading = await self._steps.once(Window(position + t.step_ms, newest, t.step_ms), patience)
            except SourceError:
                attempt += 1
                await self._sleep(self._patience.wait_after(attempt, self.client.rng))
                continue
            attempt = 0
            if rows := self._ripe_rows(reading):
                block = reading.block
                position = int(block.times[rows - 1])
                ripe = Block(block.times[:rows], block.ids, block.values[:rows])
                yield Batch(position, _blocks(ripe), let_go=reading.let_go)
            if position < newest:
                await self._sleep_until(newest + t.step_ms + t.settle_ms)

    async def _next_step(self, position: int) -> int:
        """Wait for a step after the position; the newest one there is."""
        is_told = False
        while (newest := self._newest_ms()) <= position:
            if position - newest > self.timing.step_ms and not is_told:
                is_told = True
                self._ledger.count({"clock_back": 1})
                log.warning("waiting for the clock source=%s behind_s=%d", self.name, (position - newest) // 1000)
            # Not longer than a minute at a time: the clock may be set right again.
            wait_ms = min(60_000, position + self.timing.step_ms + self.timing.settle_ms - self._steps.now_ms())
            await self._sleep(wait_ms / 1000)
        return newest

    async def _sleep_until(self, time_ms: int) -> None:
        wait_ms = min(time_ms - self._steps.now_ms(), self.timing.step_ms)
        if wait_ms > 0:
            await self._sleep(wait_ms / 1000)

    def _ripe_rows(self, reading: Reading) -> int:
        """How many leading rows are complete or too old to wait for; remembers what they brought."""
        now_ms, rows = self._steps.now_ms(), 0
        for time_ms in reading.block.times.tolist():
            late = self._late(reading, rows)
            if late and time_ms + self.timing.lateness_ms > now_ms - self.timing.settle_ms:
                break
            self._brought = reading.present[:, rows]
            rows += 1
            self._missed = Counter({n: self._missed[n] + 1 for n in reading.failed})
            self._ledger.count({"steps_missed": len(reading.failed)})
        return rows

    def _late(self, reading: Reading, row: int) -> bool:
        for n, now_there in enumerate(reading.present[:, row].tolist()):
            if n in reading.failed:
                if self._missed[n] < GIVEN_UP_STEPS and not isinstance(reading.failed[n], Refused):
                    return True
            elif now_there < LATE_SHARE * self._brought[n]:
                return True
        return False


def _blocks(block: Block) -> tuple[Block, ...]:
    return (block,) if len(block.ids) else ()


__all__ = [
    "Connection",
    "Matrix",
    "Patience",
    "PrometheusClient",
    "PrometheusSource",
    "RangeReader",
    "Sample",
    "SourceHealth",
    "Timing",
]
