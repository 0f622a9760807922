"""What one worker at a time does: whoever holds the lease."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from aiops.errors import AiopsError
from aiops.stores._sql_rows import Lease
from aiops.stores.workers import Leases

log = logging.getLogger(__name__)


class Leased:
    """Work that is begun when a lease is free, and cancelled when it is lost or at the end.

    Parameters
    ----------
    name : of the lease
    work : does it, for as long as it may; what it fails with is logged, and it is begun again
    renew_s : the lease is renewed so often; a part of what it lasts
    clock : unix seconds

    Attributes
    ----------
    is_held : this worker has the lease now
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], Awaitable[None]],
        *,
        leases: Leases,
        renew_s: float,
        clock: Callable[[], float],
    ) -> None:
        self.name = name
        self.is_held = False
        self._work, self._leases, self._renew_s, self._clock = work, leases, renew_s, clock

    async def run(self, stop: asyncio.Event) -> None:
        """Take the lease whenever it is free and work, until `stop` is set; then let another worker have it."""
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                if (lease := await self._take()) is not None:
                    log.info("lease taken name=%s epoch=%d", self.name, lease.epoch)
                    await self._held(lease, stopping)
                if not stop.is_set():
                    await asyncio.wait({stopping}, timeout=self._renew_s)
        finally:
            stopping.cancel()

    async def _held(self, lease: Lease, stopping: asyncio.Task[Any]) -> None:
        self.is_held = True
        working = asyncio.ensure_future(self._work())
        try:
            await self._renew(lease, working, stopping)
        finally:
            self.is_held = False
            working.cancel()
            (outcome,) = await asyncio.gather(working, return_exceptions=True)
            if isinstance(outcome, Exception):
                log.error("work of a lease failed name=%s reason=%s", self.name, outcome, exc_info=outcome)
            with suppress(AiopsError):
                await asyncio.to_thread(self._leases.leave, lease)

    async def _renew(self, lease: Lease, working: asyncio.Future[None], stopping: asyncio.Task[Any]) -> None:
        """Return when the work has ended, the lease is lost or the end has come."""
        either: set[asyncio.Future[Any]] = {working, stopping}
        while not working.done() and not stopping.done():
            await asyncio.wait(either, timeout=self._renew_s, return_when=asyncio.FIRST_COMPLETED)
            if await self._take() != lease:
                log.warning("lease lost name=%s", self.name)
                return

    async def _take(self) -> Lease | None:
        try:
            return await asyncio.to_thread(self._leases.take, self.name, round(self._clock() * 1000))
        except AiopsError as error:
            log.warning("lease not taken name=%s reason=%s", self.name, error)
            return None
