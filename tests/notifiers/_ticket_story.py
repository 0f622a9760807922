"""What every tracker's notifier is put through."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from aiops.notifiers import Receipts
from aiops.notifiers._tickets import TicketNotifier
from aiops.notifiers.checks import MemoryReceipts, example

NOTE = example()
START_MS = NOTE.incident.started_ms
OVER = replace(NOTE.incident, status="resolved", resolved_ms=START_MS + 720_000)


def note(reason, number=""):
    incident = OVER if reason == "resolved" else NOTE.incident
    return replace(NOTE, key=f"{incident.id}:{reason}{number}:t", reason=reason, incident=incident)


class Desk:
    """A notifier that can be started again with the same receipts, and the time."""

    def __init__(self, tracker, fake, *, closes=True):
        self.tracker, self.fake, self.closes = tracker, fake, closes
        self.store = MemoryReceipts()
        self.now_ms = START_MS

    async def send(self, notification):
        """Send it with a notifier that remembers only what is in the receipts."""
        receipts = Receipts(self.store, "t")
        one = TicketNotifier(self.tracker(self.fake.url), receipts, lambda: self.now_ms, closes=self.closes)
        try:
            return await one.send(notification)
        finally:
            await one.close()


def told(fake, tracker, story, **more):
    """Run a story with a desk."""

    async def run():
        async with fake:
            return await story(fake, Desk(tracker, fake, **more))

    return asyncio.run(run())
