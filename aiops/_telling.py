"""How this worker is, said every ten seconds to whoever decides; and whether anybody does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from aiops.building.kafka import Parts
from aiops.errors import Overloaded, StoreError
from aiops.kafka.frames import pack
from aiops.kafka.status import SAY_S, PartitionStatus, PullStatus, Status
from aiops.runners._report import FAILING_MS
from aiops.words import span

log = logging.getLogger(__name__)

UNDECIDED_MS = 90_000  # chosen: what workers say of themselves keeps triage saving every ten seconds, a move takes 30 s

Failing = Callable[[], Mapping[str, tuple[int, str]]]
"""Receivers that do not take what they are sent: since when, unix ms, and why."""


@dataclass(frozen=True, slots=True)
class Pieces:
    """What roles have to say of themselves.

    Parameters
    ----------
    detects, delivers : partitions that this worker has
    pulls : sources that it reads
    report : brings metrics up to date before it is said
    """

    detects: Callable[[], tuple[PartitionStatus, ...]] = tuple
    delivers: Callable[[], tuple[int, ...]] = tuple
    pulls: Callable[[], tuple[PullStatus, ...]] = tuple
    report: Callable[[], None] = lambda: None


@dataclass(slots=True)
class Telling:
    """Says how a worker is until it is told to stop.

    Parameters
    ----------
    worker : its name
    put : puts a key and a message among the anomalies
    """

    worker: str
    roles: Sequence[str]
    parts: Parts
    pieces: Sequence[Pieces]
    put: Callable[[bytes, bytes], Awaitable[None]]
    every_s: float = SAY_S

    def status(self) -> Status:
        """How it is now."""
        conditions = self.parts.health.conditions().items()
        return Status(
            self.worker,
            tuple(self.roles),
            tuple(one for piece in self.pieces for one in piece.detects()),
            tuple(number for piece in self.pieces for number in piece.delivers()),
            tuple((part, c.reason, c.since_ms, c.is_warning) for part, c in conditions if not c.ok),
            tuple(one for piece in self.pieces for one in piece.pulls()),
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Say it again and again. One that Kafka does not take is not said again: the next one is newer."""
        while not stop.is_set():
            for piece in self.pieces:
                piece.report()
            try:
                await self.put(self.worker.encode(), pack(self.status()))
            except Overloaded as error:
                log.warning("status not said reason=%s", error)
            with suppress(TimeoutError):
                async with asyncio.timeout(self.every_s):
                    await stop.wait()


class Outlook:
    """What a worker that delivers sees of the rest: receivers that fail, and that nobody decides."""

    def __init__(self, parts: Parts, receivers: Sequence[str], failing: Failing) -> None:
        self._parts, self._receivers, self._failing = parts, receivers, failing
        self._decided: tuple[int, int] = (-1, parts.wall_ms())

    def look(self) -> None:
        """Note it in the health of this worker."""
        failing, now_ms, health = self._failing(), self._parts.wall_ms(), self._parts.health
        for name in self._receivers:
            since_ms, reason = failing.get(name, (0, ""))
            if reason and now_ms - since_ms >= FAILING_MS:
                health.bad(f"receiver {name}", f"does not take notifications: {reason}", since_ms=since_ms)
            else:
                health.good(f"receiver {name}")
        try:
            self._decides(self._parts.store.positions(), now_ms)
        except StoreError as error:
            health.bad("store", str(error))
        else:
            health.good("store")

    def _decides(self, positions: Mapping[str, int], now_ms: int) -> None:
        at = sum(offset for name, offset in positions.items() if name.startswith("detect/"))
        if at != self._decided[0]:
            self._decided = (at, now_ms)
        silent_ms = now_ms - self._decided[1]
        if silent_ms >= UNDECIDED_MS:
            reason = f"nobody has decided anything for {span(silent_ms)}: is a worker with the role triage running?"
            self._parts.health.bad("triage", reason, since_ms=self._decided[1])
        else:
            self._parts.health.good("triage")
