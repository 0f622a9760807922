"""Receivers that keep something of each incident, and what people press in their messages.

A message that is edited, an alert that is sent again, a ticket that is found again: such receivers remember, and are
looked after between notifications. Two workers that did so side by side would overwrite each other's memory. So one
worker at a time serves them all, whoever holds the lease; it also hears what is pressed in Slack, and does it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from functools import partial

from aiops.building.alertmanager import build_silences
from aiops.building.kafka import Parts, build_delivery, build_receivers, keeping
from aiops.building.notifiers import pagers, tended, tickets
from aiops.building.slack import build_buttons, build_desk, weekly_noise
from aiops.kafka.deliver import DeliverWorker
from aiops.kafka.leased import Leased
from aiops.notifiers import Notifier
from aiops.runners._tending import tend, upkeep_told
from aiops.stores.workers import Leases
from aiops.verdicts import Given

LEASE = "keeping"
LOOK_S = 2.0  # chosen: somebody who has pressed a button looks for what it does


class Keeping:
    """Serves these receivers while this worker holds the lease.

    Parameters
    ----------
    holder : name of this worker

    Attributes
    ----------
    names : of the receivers
    counts : attempts to notify, by receiver and outcome
    failing : those that do not take what they are sent: since when, unix ms, and why
    """

    def __init__(self, parts: Parts, holder: str, notifiers: Mapping[str, Notifier]) -> None:
        self.names = keeping(notifiers)
        self.counts: Counter[tuple[str, str]] = Counter()
        self.failing: dict[str, tuple[int, str]] = {}
        self._parts = parts
        self._worker: DeliverWorker | None = None
        lease_s = parts.settings.kafka.lease_s
        leases = Leases(parts.store, holder, round(lease_s * 1000))
        self._leased = Leased(LEASE, self._serve, leases=leases, renew_s=lease_s / 3, clock=parts.wall)

    @property
    def is_held(self) -> bool:
        """Whether this worker serves them now."""
        return self._leased.is_held

    def wake(self) -> None:
        """Something is new in the outbox."""
        if self._worker is not None:
            self._worker.wake()

    async def run(self, stop: asyncio.Event) -> None:
        """Serve them whenever nobody else does, until `stop` is set."""
        if self.names:
            await self._leased.run(stop)

    async def _serve(self) -> None:
        """Built anew each time: what they remember in memory is as old as the last time the lease was here."""
        parts, ended = self._parts, asyncio.Event()
        settings = parts.settings
        notifiers = build_receivers(parts)
        owned = set(range(settings.kafka.partitions))
        delivery = build_delivery(parts, notifiers, owned, self.names.__contains__)
        delivery.counts, delivery.failing = self.counts, self.failing
        self._worker = DeliverWorker(delivery, parts.wall_ms, owned)
        silences = build_silences(settings, parts.base, parts.wall_ms)
        desk = build_desk(_Books(parts), silences, tickets(notifiers), pagers(notifiers))
        buttons = build_buttons(
            settings,
            parts.base,
            notifiers,
            clock=parts.wall_ms,
            well=parts.health.told,
            desk=desk,
            report=weekly_noise(parts.store),
            look_s=LOOK_S,
        )
        done = upkeep_told(parts.telemetry, parts.health)
        looked_after = tended(notifiers).items()
        works = [partial(tend, name, one, clock=parts.wall_ms, done=done) for name, one in looked_after]
        tasks = [asyncio.create_task(work(stop=ended)) for work in works]
        tasks += [asyncio.create_task(run(ended)) for run in (self._worker.run, *buttons.runs)]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            worker, self._worker = self._worker, None
            owned.clear()
            ended.set()
            worker.wake()
            await asyncio.wait(tasks, timeout=5.0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await worker.close()
            for one in silences.values():
                await one.close()
            for name, _ in looked_after:
                parts.health.forget(f"upkeep of {name}")


class _Books:
    """Verdicts as buttons give them, over what the store has at that time."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def give(self, incident_id: str, answer: str, *, who: str, via: str, key: str = "") -> Given:
        """Say what an incident was; raises as a `VerdictBook` does."""
        return self._parts.book().give(incident_id, answer, who=who, via=via, key=key)
