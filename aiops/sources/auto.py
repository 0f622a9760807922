"""A Prometheus whose signal packs are found out when it first answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

from aiops.errors import Unavailable
from aiops.series import SeriesTable
from aiops.sources._base import Batch, Source

log = logging.getLogger(__name__)

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 60.0  # chosen: a server that comes back is noticed within a minute


class AutoSource:
    """Asks which metrics there are until it gets an answer, then reads what the matching packs watch.

    Parameters
    ----------
    find : asks the server and builds the source for what it has; raises `Unavailable` while it cannot be reached
    failed : told why, each time it cannot
    sleep : waits so many seconds
    """

    def __init__(
        self,
        name: str,
        table: SeriesTable,
        step_s: float,
        *,
        find: Callable[[], Awaitable[Source]],
        failed: Callable[[str], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.name, self.table, self.step_s = name, table, step_s
        self.found: Source | None = None
        self._find = find
        self._failed = failed
        self._sleep = sleep

    async def read(self, after: int | None) -> AsyncIterator[Batch]:
        """Yield what the found source yields."""
        wait_s = FIRST_WAIT_S
        while self.found is None:
            try:
                self.found = await self._find()
            except Unavailable as error:
                log.warning("source cannot be reached source=%s reason=%s", self.name, error)
                self._failed(str(error))
                await self._sleep(wait_s)
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)
        async for batch in self.found.read(after):
            yield batch
