"""Rankings under way, beside the cycles."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiops.triage import Ranked
from rca import Case, Ranking

log = logging.getLogger(__name__)

RankFunction = Callable[[Case], Ranking]


class RankingTasks:
    """Ranks in a thread, one case at a time.

    Parameters
    ----------
    failed : called for each case on which the ranker failed
    """

    def __init__(self, rank: RankFunction, *, failed: Callable[[], None]) -> None:
        self.tasks: set[asyncio.Task[None]] = set()
        self._rank = rank
        self._failed = failed
        self._one = asyncio.Semaphore(1)

    def start(self, case: Awaitable[Case], answer: Callable[[Ranked], Awaitable[None]]) -> None:
        """Rank a case beside everything else once it is there, then give the answer away."""
        task = asyncio.create_task(self._answer(case, answer))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def ranked(self, case: Case) -> Ranked:
        """Rank a case now. A ranker that fails gives an empty ranking."""
        try:
            ranking = self._rank(case)
        except Exception:
            # A ranker that fails on one incident must not take the service with it: people are told without a cause.
            log.exception("ranking failed incident=%s", case.name)
            self._failed()
            ranking = Ranking(notes=("the ranker failed; see the log",))
        return Ranked(case.name, ranking)

    async def _answer(self, case: Awaitable[Case], answer: Callable[[Ranked], Awaitable[None]]) -> None:
        async with self._one:
            ranked = await asyncio.to_thread(self.ranked, await case)
        await answer(ranked)
