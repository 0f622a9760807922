"""Outbox -> notifiers.

Rule 1. A notification leaves the outbox only when its receiver took it, refused it for good, or could not be reached
for `give_up_s`; the last two stay visible as dead letters. Who asks us to wait has not failed: nothing is given up as
long as that receiver takes anything at all.
Rule 2. Each receiver has a lane of its own: a slow one delays nobody else.
Rule 3. A receiver hears of one incident in order: the next is not tried before the one ahead is done.
Rule 4. What has waited for long and only says how an incident goes on gives way to what waits behind it.
Rule 5. A crash between sending and marking repeats a notification, with the same key.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from aiops.errors import AiopsError, NotYet, Reject, Retry, StoreError
from aiops.model import Notification
from aiops.notifiers import Notifier, Receipt, at_once
from aiops.stores import Outbox, Outgoing

log = logging.getLogger(__name__)

ON_THE_WAY = frozenset({"cause changed", "flapping"})
"""Reasons between the opening and the end: a later notification has all that such a one would say."""


@dataclass(frozen=True, slots=True)
class DeliveryRules:
    """How hard a receiver is tried. All in seconds; chosen, in the manner of Alertmanager's retries.

    Parameters
    ----------
    first_s, longest_s : back-off after the first failure; it doubles with each one up to the longest
    asked_s : a receiver's own Retry-After is honoured up to this
    timeout_s : one attempt may take so long
    give_up_s : a notification this old becomes a dead letter at its next failure
    stale_s : what says how an incident goes on gives way to a later one when it has waited so long
    patience_s : `run_once` waits so long for lanes under way
    idle_s : `run_once` is to be called again after so long at the latest
    """

    first_s: float = 2.0
    longest_s: float = 300.0
    asked_s: float = 3600.0
    timeout_s: float = 30.0
    give_up_s: float = 86_400.0
    stale_s: float = 60.0
    patience_s: float = 1.0
    idle_s: float = 30.0


class Carrier(Protocol):
    """What carries notifications out of the service: a `Delivery`, or what leaves that to others."""

    counts: Counter[tuple[str, str]]
    failing: dict[str, tuple[int, str]]

    @property
    def receivers(self) -> tuple[str, ...]:
        """Names of those who may be told."""
        ...

    async def run_once(self, now_ms: int) -> float:
        """Carry what is due; seconds after which to call again."""
        ...

    async def send_directly(self, note: Notification) -> bool:
        """Send once, past the outbox, for when the store does not work; True if the receiver took it."""
        ...

    async def close(self) -> None:
        """Stop. What was under way stays in the outbox."""
        ...


class Delivery:
    """Sends what is in the outbox.

    Parameters
    ----------
    notifiers : by the name of the receiver
    clock : the wall clock, unix ms
    rng : spreads retries, so that receivers do not get all of them at once
    """

    def __init__(
        self,
        store: Outbox,
        notifiers: Mapping[str, Notifier],
        clock: Callable[[], int],
        rng: random.Random,
        rules: DeliveryRules | None = None,
    ) -> None:
        self.counts: Counter[tuple[str, str]] = Counter(
            {
                (name, outcome): 0
                for name in notifiers
                for outcome in ("sent", "left out", "replaced", "retried", "dead")
            }
        )
        self.last_errors: dict[str, str] = {}
        self.failing: dict[str, tuple[int, str]] = {}
        """Receivers that do not take what they are sent: since when, unix ms, and why."""
        self._store = store
        self._notifiers = dict(notifiers)
        self._clock = clock
        self._rng = rng
        self._rules = rules or DeliveryRules()
        self._lanes: dict[str, asyncio.Task[None]] = {}
        self._held_ms: dict[str, int] = {}
        self._limits: Counter[str] = Counter()
        """How often in a row a receiver has said that it is too much."""
        self._taken_ms: dict[str, int] = {}
        """When each receiver last took something; when we began, if it has not yet."""

    async def run_once(self, now_ms: int) -> float:
        """Send what is due.

        Lanes that take longer than `patience_s` go on in the background; the next call does not start them twice.

        Returns
        -------
        Seconds after which calling again makes sense

        Raises
        ------
        StoreError : the outbox cannot be read or marked; what is not marked is sent again, with the same key
        """
        waiting = await asyncio.to_thread(self._store.waiting)
        for receiver in waiting:
            self._taken_ms.setdefault(receiver, now_ms)
        longest_ms = now_ms + self._longest_hold_ms
        self._held_ms = {name: at for name, at in self._held_ms.items() if now_ms < at <= longest_ms}
        for receiver in waiting:
            if receiver not in self._lanes and receiver not in self._held_ms:
                self._lanes[receiver] = asyncio.create_task(self._lane(receiver, now_ms), name=f"lane {receiver}")
        if self._lanes:
            await asyncio.wait(self._lanes.values(), timeout=self._rules.patience_s)
        self._collect()
        return await self._wait_s(now_ms)

    @property
    def _longest_hold_ms(self) -> int:
        """A hold that ends later was set by a clock that was wrong."""
        return round(self._rules.asked_s * 1000)

    @property
    def receivers(self) -> tuple[str, ...]:
        """Names of everybody who is told."""
        return tuple(self._notifiers)

    async def send_directly(self, note: Notification) -> bool:
        """Send once, past the outbox, for when the store does not work; True if the receiver took it."""
        try:
            await self._send(self._notifiers.get(note.receiver), Outgoing(note))
        except AiopsError as error:
            log.warning("not sent directly receiver=%s reason=%s", note.receiver, error)
            return False
        return True

    async def close(self) -> None:
        """Stop the lanes and let go of the notifiers. What was under way stays in the outbox."""
        for task in self._lanes.values():
            task.cancel()
        await asyncio.gather(*self._lanes.values(), return_exceptions=True)
        self._lanes.clear()
        for notifier in self._notifiers.values():
            await notifier.close()

    def _collect(self) -> None:
        """Forget lanes that have ended; raise what ended one."""
        ended = [task for task in self._lanes.values() if task.done()]
        self._lanes = {name: task for name, task in self._lanes.items() if not task.done()}
        faults = [fault for task in ended if (fault := task.exception()) is not None]
        if faults:
            raise faults[0]

    async def _wait_s(self, now_ms: int) -> float:
        waiting = await asyncio.to_thread(self._store.waiting)
        due = {name: max(due_ms, self._held_ms.get(name, 0)) for name, due_ms in waiting.items()}
        times = [max(0.0, (due_ms - now_ms) / 1000) for name, due_ms in due.items() if name not in self._lanes]
        busy = [self._rules.patience_s] if self._lanes else []
        return min([*times, *busy, self._rules.idle_s])

    async def _lane(self, receiver: str, now_ms: int) -> None:
        """Send what is due to one receiver until nothing is, of several incidents at once if it likes that."""
        width = at_once(self._notifiers.get(receiver))
        while due := await asyncio.to_thread(self._store.pending, now_ms, 100, receiver):
            for rows in (due[i : i + width] for i in range(0, len(due), width)):
                if self._held_ms.get(receiver, now_ms) > max(now_ms, self._clock()):
                    return
                # All of them end before a fault of one is raised: none goes on without the lane.
                ends = await asyncio.gather(*(self._deliver(row, now_ms) for row in rows), return_exceptions=True)
                for fault in (end for end in ends if isinstance(end, BaseException)):
                    raise fault

    async def _deliver(self, row: Outgoing, now_ms: int) -> None:
        note, store = row.notification, self._store
        notifier = self._notifiers.get(note.receiver)
        if await self._gives_way(note, now_ms):
            return
        try:
            receipt = await self._send(notifier, row)
        except NotYet as early:
            # Only this one waits: the lane goes on with other incidents, and nothing has failed.
            at_ms = max(now_ms, self._clock())
            # Never now again, and never so far away that a store takes it for the work of a wrong clock.
            at_ms = min(max(early.at_ms, at_ms + 1), at_ms + self._longest_hold_ms)
            await asyncio.to_thread(store.retry_at, note.key, at_ms, early.reason, failed=False)
        except Retry as error:
            await self._retry(row, error, max(now_ms, self._clock()))
        except Reject as error:
            await self._bury(row, str(error))
        else:
            await asyncio.to_thread(store.done, note.key)
            self.last_errors.pop(note.receiver, None)
            self.failing.pop(note.receiver, None)
            self._limits.pop(note.receiver, None)
            self._taken_ms[note.receiver] = max(now_ms, self._clock())
            outcome = "left out" if receipt.left_out else "sent"
            self.counts[note.receiver, outcome] += 1
            why = f" because={receipt.left_out}" if receipt.left_out else ""
            about = (note.receiver, note.reason, note.incident.id, why)
            log.info("notification %s receiver=%s reason=%s incident=%s%s", outcome, *about)

    async def _gives_way(self, note: Notification, now_ms: int) -> bool:
        """Leave out what has waited for long and is no news any more, and say so."""
        if note.reason not in ON_THE_WAY or now_ms - note.created_ms < self._rules.stale_s * 1000:
            return False
        if not await asyncio.to_thread(self._store.give_way, note.key):
            return False
        self.counts[note.receiver, "replaced"] += 1
        log.info(
            "notification replaced receiver=%s reason=%s incident=%s", note.receiver, note.reason, note.incident.id
        )
        return True

    async def _send(self, notifier: Notifier | None, row: Outgoing) -> Receipt:
        if notifier is None:
            raise Reject("no receiver of this name is configured")
        try:
            async with asyncio.timeout(self._rules.timeout_s):
                return await notifier.send(row.notification)
        except TimeoutError as error:
            raise Retry(f"no answer within {self._rules.timeout_s:g} s") from error
        except (NotYet, Retry, Reject, StoreError):
            raise
        except Exception as error:
            # A notifier with a fault must not stop the others; what it says may hold secrets, so only its kind is told.
            raise Retry(f"the notifier failed: {type(error).__name__}") from error

    async def _retry(self, row: Outgoing, error: Retry, now_ms: int) -> None:
        note, name = row.notification, row.notification.receiver
        asks = error.is_limit or error.after_s > 0
        self.failing[name] = (self.failing.get(name, (now_ms, ""))[0], error.reason)
        since_ms = max(note.created_ms, row.since_ms, self._taken_ms.get(name, 0) if asks else 0)
        if now_ms - since_ms >= self._rules.give_up_s * 1000:
            await self._bury(row, f"given up after {row.attempts + 1} attempts: {error.reason}")
            return
        if asks:
            # Who asks us to wait means all messages, not this one.
            wait_s = self._asked_s(name, error)
            self._held_ms[name] = max(self._held_ms.get(name, 0), now_ms + round(wait_s * 1000))
        else:
            wait_s = self._back_off_s(row.attempts)
        # The same failure again and again is one line in the log.
        if self.last_errors.get(name) != error.reason:
            log.warning("notification delayed receiver=%s reason=%s", name, error.reason)
        self.last_errors[name] = error.reason
        self.counts[name, "retried"] += 1
        at_ms = now_ms + round(wait_s * 1000)
        await asyncio.to_thread(self._store.retry_at, note.key, at_ms, error.reason, failed=not asks)

    def _asked_s(self, receiver: str, error: Retry) -> float:
        """How long a receiver is left alone: as it asks, or longer each time if it does not say."""
        if error.after_s > 0:
            return min(error.after_s, self._rules.asked_s)
        if self._held_ms.get(receiver, 0) <= self._clock():  # several at once are refused for one reason
            self._limits[receiver] += 1
        return self._back_off_s(max(0, self._limits[receiver] - 1))

    async def _bury(self, row: Outgoing, reason: str) -> None:
        note = row.notification
        log.error("notification lost receiver=%s key=%s reason=%s", note.receiver, note.key, reason)
        self.last_errors[note.receiver] = reason
        self.counts[note.receiver, "dead"] += 1
        await asyncio.to_thread(self._store.dead, note.key, reason)

    def _back_off_s(self, attempts: int) -> float:
        """Between half and all of the doubled time."""
        full_s = min(self._rules.longest_s, self._rules.first_s * 2.0 ** min(attempts, 30))
        return full_s * (0.5 + 0.5 * self._rng.random())
