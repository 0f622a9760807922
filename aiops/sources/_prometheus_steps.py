"""All queries of a source, asked for the same steps and joined into one block."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from aiops.errors import Refused, SourceError, Unavailable
from aiops.model import I64, Block
from aiops.sources._prometheus_answer import Partial, Window
from aiops.sources._prometheus_client import PrometheusClient
from aiops.sources._prometheus_columns import Columns
from aiops.sources._prometheus_health import Ledger
from aiops.sources._range import Matrix, Patience

PROBE = "vector(1)"
"""The cheapest query there is: tells a server that is away or wants other credentials from a query that is wrong."""

ROUNDS = 4
"""Rounds for which a stretch of history waits for a query while others answer. Chosen: with the reader's own retries
and the waits between, about a minute."""

CELLS = 2_000_000
"""Values in a chunk of history: 16 MB, held up to four times (answer, block, and the same of the next chunk)."""

FIRST_ROWS, FEWEST_ROWS = 120, 20
"""Rows of a chunk when the number of series is not known yet, and when there are very many. Chosen."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What all queries gave for the same steps.

    Parameters
    ----------
    present : (queries, t) number of series with a value
    failed : why a query has no answer, by its number
    let_go : see `Batch`
    """

    window: Window
    block: Block
    present: I64
    failed: Mapping[int, SourceError]
    let_go: tuple[int, ...]


class Steps:
    """Asks all queries of a source together.

    Parameters
    ----------
    queries : one per recipe of `columns`
    clock : unix seconds, for the record of successes
    sleep, patience : between rounds
    """

    def __init__(
        self,
        client: PrometheusClient,
        queries: Sequence[str],
        columns: Columns,
        ledger: Ledger,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        patience: Patience,
    ) -> None:
        self.client, self.queries, self.columns, self.ledger = client, queries, columns, ledger
        self.patience, self.sleep = patience, sleep
        self._clock = clock

    async def connect(self, *, stubborn: bool) -> None:
        """Return when the server answers; raises `Refused`, and `Unavailable` too if not stubborn."""
        attempt = 1
        while error := await self._probe():
            self.ledger.failed(str(error))
            if isinstance(error, Refused) or not stubborn:
                raise error
            await self.sleep(self.patience.wait_after(attempt, self.client.rng))
            attempt += 1
        self.ledger.answered(self.now_ms())

    async def once(self, window: Window, patience: Patience) -> Reading:
        """Ask every query once. Raises `SourceError` when the server as a whole does not answer."""
        answers = await self._ask(range(len(self.queries)), window, patience)
        if not any(isinstance(answer, Matrix) for answer in answers.values()) and (error := await self._probe()):
            self.ledger.failed(str(error))
            raise error
        return self._reading(window, answers)

    async def fully(self, window: Window, *, stubborn: bool) -> Reading:
        """Ask until every query has answered, is refused, or is given up while others answer.

        Raises
        ------
        SourceError : not stubborn, and a query does not answer or all are refused
        """
        answers: dict[int, Matrix | SourceError] = {}
        pending, attempt, rounds = list(range(len(self.queries))), 0, 0
        while pending:
            answers |= await self._ask(pending, window, self.patience)
            pending = [n for n, a in answers.items() if isinstance(a, Unavailable)]
            attempt += 1
            is_dead = not any(isinstance(a, Matrix | Partial) for a in answers.values())
            error = await self._probe() if is_dead else None
            if not stubborn and (pending or is_dead):
                raise error or next(a for a in answers.values() if isinstance(a, SourceError))
            if error:
                self.ledger.failed(str(error))
                pending = list(range(len(self.queries)))
            elif not pending or (rounds := rounds + 1) >= ROUNDS:
                break
            await self.sleep(self.patience.wait_after(attempt, self.client.rng))
        return self._reading(window, answers)

    async def chunks(self, window: Window, *, stubborn: bool) -> AsyncGenerator[Reading]:
        """Read a long window piece by piece, the next piece while the caller works on this one."""
        task = self._begin(window, window.start_ms, stubborn=stubborn)
        try:
            while task is not None:
                reading = await task
                task = self._begin(window, reading.window.end_ms + window.step_ms, stubborn=stubborn)
                yield reading
        finally:
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    def now_ms(self) -> int:
        """Unix ms of our clock, held back to the server's where ours is ahead: the future is never asked for."""
        return round((self._clock() - self.ledger.clock_ahead_s) * 1000)

    # -- inside

    def _begin(self, window: Window, start_ms: int, *, stubborn: bool) -> asyncio.Task[Reading] | None:
        if start_ms > window.end_ms:
            return None
        known = self.columns.table.width
        rows = max(FEWEST_ROWS, min(CELLS // known, self.client.connection.max_points)) if known else FIRST_ROWS
        part = Window(start_ms, min(window.end_ms, start_ms + (rows - 1) * window.step_ms), window.step_ms)
        return asyncio.create_task(self.fully(part, stubborn=stubborn))

    async def _probe(self) -> SourceError | None:
        now_ms = round(self._clock()) * 1000
        (answer,) = await self.client.ranges.read([PROBE], now_ms, now_ms, 1.0, patience=Patience(accept_partial=True))
        self._compare_clocks()
        return answer if isinstance(answer, SourceError) else None

    def _compare_clocks(self) -> None:
        server_s = self.client.ranges.server_s
        ahead_s = self._clock() - server_s if server_s is not None else 0.0
        # The server's header has whole seconds and has been on its way; below 5 s it says nothing.
        self.ledger.clock_ahead_s = ahead_s if ahead_s > 5 else 0.0

    async def _ask(self, numbers: Sequence[int], window: Window, patience: Patience) -> dict[int, Matrix | SourceError]:
        texts = [self.queries[n] for n in numbers]
        ask = self.client.ranges.read(texts, window.start_ms, window.end_ms, window.step_ms / 1000, patience=patience)
        answers = dict(zip(numbers, await ask, strict=True))
        self._compare_clocks()
        for n, answer in answers.items():
            name = self.columns.recipes[n].signal.name
            self.ledger.problem(f"{name}#{n}", str(answer) if isinstance(answer, SourceError) else "")
            if isinstance(answer, Matrix):
                self.ledger.count(answer.counts)
            else:
                self.ledger.count({"query_refused" if isinstance(answer, Refused) else "query_unavailable": 1})
        return answers

    def _reading(self, window: Window, answers: Mapping[int, Matrix | SourceError]) -> Reading:
        matrices = [a if isinstance(a := answers[n], Matrix) else None for n in range(len(self.queries))]
        block = self.columns.block(window.times(), matrices)
        let_go = self.columns.table.unnamed
        self.ledger.count(self.columns.drain())
        if any(matrices) or not self.ledger.is_up:
            self.ledger.answered(self.now_ms())
        present = np.zeros((len(matrices), window.rows), np.int64)
        for n, matrix in enumerate(matrices):
            if matrix is not None:
                present[n] = np.isfinite(matrix.values).sum(axis=1)
        failed = {n: a for n, a in answers.items() if isinstance(a, SourceError)}
        return Reading(window, block, present, failed, let_go)
