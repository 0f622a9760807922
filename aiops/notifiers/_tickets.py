"""One ticket for each incident, whatever the tracker: created once, told what changed, closed when it is over.

Trackers have no idempotency keys, so a request is never simply repeated: what is about to be done is noted first, and
if it may have been done it is looked for before it is done again. A tracker's search may lag behind: nothing is
created a second time before that lag is over.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from aiops.errors import DeliveryError, NotYet, Reject, Unsure
from aiops.model import Incident, Notification
from aiops.notifiers._base import Receipt
from aiops.notifiers.only import TOLD
from aiops.notifiers.receipts import Receipts

log = logging.getLogger(__name__)

T = TypeVar("T")

TICKET = "ticket"
_BEGUN, _DONE, _GONE = "begun", "done", "gone"
_AGAIN_MS = 15_000  # chosen: how often a lagging search is asked


class Tracker(Protocol):
    """Where tickets are. Each method makes requests of one purpose and raises what `Notifier.send` may raise.

    `lag_ms`: a ticket may be missing in a search for so long after it was created.
    """

    lag_ms: int

    async def create(self, notification: Notification) -> str:
        """Open a ticket; its key, "" if the tracker did not say it."""
        ...

    async def find(self, notification: Notification, since_ms: int) -> str:
        """The key of the incident's ticket that was created at `since_ms` or later; "" = there is none."""
        ...

    async def comment(self, ticket: str, notification: Notification) -> bool:
        """Say on the ticket what has changed; False if somebody has deleted the ticket."""
        ...

    async def has_comment(self, ticket: str, notification: Notification, since_ms: int) -> bool:
        """Tell whether this was said on the ticket at `since_ms` or later."""
        ...

    async def finish(self, ticket: str, notification: Notification) -> None:
        """Close the ticket, if it is not closed."""
        ...

    def address(self, ticket: str) -> str:
        """Where people find a ticket."""
        ...

    async def close(self) -> None:
        """Close connections."""
        ...


class TicketNotifier:
    """Keeps the tickets of one tracker.

    Parameters
    ----------
    receipts : where it is kept what was created and said
    clock : the wall clock, unix ms
    closes : tickets are closed when their incident is resolved; else only told
    """

    def __init__(self, tracker: Tracker, receipts: Receipts, clock: Callable[[], int], *, closes: bool) -> None:
        self._tracker = tracker
        self._receipts = receipts
        self._clock = clock
        self._closes = closes
        self._one = asyncio.Lock()

    async def send(self, notification: Notification) -> Receipt:
        """Open a ticket, or say on the one there is what has changed."""
        # A person may ask for a ticket while it is being opened.
        async with self._one:
            return await self._send(notification)

    async def open(self, incident: Incident) -> tuple[str, str]:
        """Open a ticket because somebody asks for it; from then on it is told what changes.

        Returns
        -------
        Its key and its address; the same ones when it is asked for again

        Raises
        ------
        NotYet, Retry, Reject : as `send`
        """
        note = Notification(f"{incident.id}:asked", incident, "", "opened", self._clock())
        receipt = await self.send(note)
        if receipt.left_out:
            raise Reject(receipt.left_out)
        await self._receipts.keep(incident.id, {TOLD: "yes"})
        return receipt.reference, self._tracker.address(receipt.reference)

    async def _send(self, notification: Notification) -> Receipt:
        kept = await self._receipts.of(notification.incident.id)
        ticket = kept.get(TICKET, "")
        if not ticket and notification.reason == "resolved":
            return Receipt(left_out="over, and no ticket was opened")
        if ticket == _GONE:
            return Receipt(left_out="somebody has deleted its ticket")
        if not ticket or ticket.startswith(_BEGUN):
            ticket = await self._open(notification, ticket)
        if notification.reason != "opened":
            is_there = await self._say(ticket, notification, kept.get(notification.key, ""))
            if not is_there:
                await self._receipts.keep(notification.incident.id, {TICKET: _GONE})
                return Receipt(ticket, "somebody has deleted its ticket")
        if notification.reason == "resolved" and self._closes:
            await self._tracker.finish(ticket, notification)
        return Receipt(ticket)

    async def close(self) -> None:
        """Close connections."""
        await self._tracker.close()

    async def _open(self, notification: Notification, state: str) -> str:
        now_ms, first_ms = self._clock(), self._clock()
        if state:
            first_ms, last_ms = map(int, state.split(" ")[1:])
            if found := await self._tracker.find(notification, min(first_ms, now_ms)):
                log.info("ticket found again incident=%s ticket=%s", notification.incident.id, found)
                await self._receipts.keep(notification.incident.id, {TICKET: found})
                return found
            if now_ms < last_ms:
                # The clock was set back: the lag is counted from now.
                await self._receipts.keep(notification.incident.id, {TICKET: f"{_BEGUN} {now_ms} {now_ms}"})
                last_ms = now_ms
            if now_ms - last_ms < self._tracker.lag_ms:
                raise NotYet("it may have been created, and the search of tickets lags behind", now_ms + _AGAIN_MS)
        begun = {TICKET: f"{_BEGUN} {min(first_ms, now_ms)} {now_ms}"}
        ticket = await self._once(notification, begun, state, lambda: self._tracker.create(notification))
        if not ticket:
            raise Unsure("the ticket was created, but its key was not in the answer")
        await self._receipts.keep(notification.incident.id, {TICKET: ticket})
        return ticket

    async def _say(self, ticket: str, notification: Notification, state: str) -> bool:
        """Comment once; False if the ticket is gone."""
        if state == _DONE:
            return True
        key, now_ms = notification.key, self._clock()
        since_ms = min(int(state.split(" ")[1]), now_ms) if state else now_ms
        is_there = bool(state) and await self._tracker.has_comment(ticket, notification, since_ms)
        if not is_there:
            begun = {key: f"{_BEGUN} {since_ms}"}
            is_there = await self._once(notification, begun, state, lambda: self._tracker.comment(ticket, notification))
        await self._receipts.keep(notification.incident.id, {key: _DONE})
        return is_there

    async def _once(
        self, notification: Notification, begun: dict[str, str], before: str, act: Callable[[], Awaitable[T]]
    ) -> T:
        """Do what is noted first. When it was surely not done, the note is what it was before."""
        await self._receipts.keep(notification.incident.id, begun)
        try:
            return await act()
        except Unsure:
            raise
        except DeliveryError:
            await self._receipts.keep(notification.incident.id, dict.fromkeys(begun, before))
            raise
