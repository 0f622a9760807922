"""The role `deliver`: the notifications of the partitions a worker owns; and how triage makes them known."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress

from aiops.delivery import Delivery
from aiops.errors import Overloaded, StoreError
from aiops.model import Notification
from aiops.stores.sql import SqlStore
from aiops.stores.workers import notification_partition, unpublished
from aiops.wire import encode

log = logging.getLogger(__name__)

LOOK_EVERY_S = 10.0  # chosen: what was committed and never announced waits so long at most
STORE_S = 1.0


class Publisher:
    """Announces what is in the outbox; in the place of a `Delivery` where other workers deliver.

    What is announced twice is delivered once: those who deliver look into the outbox.

    Parameters
    ----------
    receivers : names of those who may be told
    """

    def __init__(
        self,
        store: SqlStore,
        partitions: int,
        put: Callable[[int, bytes, bytes], Awaitable[None]],
        receivers: tuple[str, ...] = (),
    ) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.failing: dict[str, tuple[int, str]] = {}
        self.receivers = receivers
        self._store, self._partitions, self._put = store, partitions, put
        self._after = 0

    async def run_once(self, now_ms: int) -> float:  # noqa: ARG002 - as a delivery is called
        """Announce what is new; seconds until it is to be called again."""
        for number, note in await asyncio.to_thread(unpublished, self._store, self._after):
            try:
                await self._announce(note)
            except Overloaded as error:
                log.warning("notification not announced, tried again key=%s reason=%s", note.key, error)
                return STORE_S
            self._after = number
        return LOOK_EVERY_S

    async def send_directly(self, note: Notification) -> bool:
        """Announce past the outbox; False: those who deliver look there, so nobody has it yet."""
        try:
            await self._announce(note)
        except Overloaded as error:
            log.warning("notification not announced key=%s reason=%s", note.key, error)
        return False

    async def close(self) -> None:
        """Nothing to let go of."""

    async def _announce(self, note: Notification) -> None:
        partition = notification_partition(note.incident.id, self._partitions)
        await self._put(partition, note.incident.id.encode(), encode(note))


class DeliverWorker:
    """Delivers as long as it runs.

    Parameters
    ----------
    delivery : over the lanes of the outbox that belong to `owned`

    Attributes
    ----------
    owned : partitions of the notifications that this worker has now
    """

    def __init__(self, delivery: Delivery, clock_ms: Callable[[], int], owned: set[int]) -> None:
        self.owned = owned
        self._delivery, self._clock_ms = delivery, clock_ms
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Something is new in the outbox."""
        self._wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver what is due until `stop` is set."""
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(lambda _: self.wake())
        try:
            while not stop.is_set():
                self._wake.clear()
                try:
                    wait_s = await self._delivery.run_once(self._clock_ms()) if self.owned else LOOK_EVERY_S
                except StoreError as error:
                    log.warning("delivery waits for the store reason=%s", error)
                    wait_s = STORE_S
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(wait_s, LOOK_EVERY_S)):
                        await self._wake.wait()
        finally:
            stopping.cancel()

    async def close(self) -> None:
        """Stop; what is under way stays in the outbox."""
        await self._delivery.close()
