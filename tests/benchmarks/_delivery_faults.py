"""Delivery on simulated time to a receiver with one kind of trouble, beside a healthy one.

The troubled receiver is strict: it takes each idempotency key once, and notes what a person would see, in order. Some
of its answers are lost after it has taken a notification, as they are on a network.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from aiops.delivery import Delivery
from aiops.errors import Retry
from aiops.model import Incident, Notification
from aiops.notifiers import Receipt
from aiops.stores import Cycle
from aiops.stores.sqlite import open_sqlite

Fault = Literal["restarts", "429", "429 storms", "5xx", "timeouts", "resets", "down for an hour", "clock jumps"]
FAULTS: tuple[Fault, ...] = get_args(Fault)
REASONS: tuple[Literal["opened", "cause changed", "resolved"], ...] = ("opened", "cause changed", "resolved")
START_MS = 1_700_000_000_000
SPREAD_S = 4 * 3600
LATEST_S = 30 * 3600
STORM_S, STORM_EVERY_S = 600, 2400
"""Of "429 storms": ten minutes in which everything is refused, every forty. "429" refuses half of all, all the time."""


@dataclass
class Receiver:
    """Takes keys once; `trouble` says what happens to the n-th request at a time, None = nothing."""

    trouble: Callable[[float], Retry | None] = lambda _: None
    loses: Callable[[], bool] = lambda: False
    seen: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    keys: dict[str, float] = field(default_factory=dict)
    repeated: int = 0
    now_s: Callable[[], float] = lambda: 0.0
    at_once: int = 8

    async def send(self, note: Notification) -> Receipt:
        fault = self.trouble(self.now_s())
        if fault is not None:
            raise fault
        if note.key in self.keys:
            self.repeated += 1
        else:
            self.keys[note.key] = self.now_s()
            self.seen[note.incident.id].append(note.reason)
        if self.loses():
            raise Retry("the answer was lost")
        return Receipt()

    async def close(self) -> None:
        """Nothing to let go of."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What arrived at the troubled receiver, and how late the healthy one was at worst."""

    wanted: int
    lost: int
    seen_twice: int
    out_of_order: int
    repeated: int
    """The same key again: the receiver knows it, no person sees it."""
    dead: int
    replaced: int
    """Not sent, because a later one of the incident, which was, said it all."""
    healthy_worst_s: float
    last_s: float
    """When the troubled receiver had everything, after the first was written."""


def outcome_of(fault: Fault, folder: Path, *, incidents: int = 1000, seed: int = 7) -> Outcome:
    """Deliver three notifications of each incident under a fault."""
    return asyncio.run(_Run(fault, folder, incidents, random.Random(seed)).done())


class _Run:
    def __init__(self, fault: Fault, folder: Path, incidents: int, rng: random.Random) -> None:
        self.fault, self.rng, self.now_s, self.jump_s = fault, rng, 0.0, 0.0
        self.store = open_sqlite(folder / f"{fault.replace(' ', '-')}.sqlite")
        self.troubled = Receiver(self._trouble, self._loses, now_s=lambda: self.now_s)
        self.healthy = Receiver(now_s=lambda: self.now_s)
        self.written: dict[str, float] = {}
        self.plan = sorted(
            (at_s + after_s, f"i{number}", reason)
            for number in range(incidents)
            for at_s in [rng.uniform(0, SPREAD_S)]
            for after_s, reason in zip((0, 300, 1800), REASONS, strict=True)
        )
        self.jumps = [(rng.uniform(0, SPREAD_S), rng.choice((-7200, -60, 60, 7200))) for _ in range(12)]
        self.delivery = self._born()

    def _born(self) -> Delivery:
        receivers = {"troubled": self.troubled, "healthy": self.healthy}
        return Delivery(self.store, receivers, self._wall_ms, self.rng)

    def _wall_ms(self) -> int:
        return START_MS + round((self.now_s + self.jump_s) * 1000)

    async def done(self) -> Outcome:
        while self.plan or self.store.waiting():
            self._write()
            wait_s = await self._deliver()
            next_s = self.plan[0][0] - self.now_s if self.plan else wait_s
            self._pass(max(0.05, min(wait_s, next_s)))
            if self.now_s > LATEST_S:
                break
        result = self._outcome()
        await self.delivery.close()
        self.store.close()
        return result

    def _write(self) -> None:
        notes = []
        while self.plan and self.plan[0][0] <= self.now_s:
            _, name, reason = self.plan.pop(0)
            incident = Incident(name, "open", "cart: slow", "warning", START_MS, START_MS, START_MS)
            for receiver in ("troubled", "healthy"):
                key = f"{name}:{reason.replace(' ', '-')}:{receiver}"
                self.written[key] = self.now_s
                notes.append(Notification(key, incident, receiver, reason, self._wall_ms()))
        if notes:
            self.store.commit(Cycle(notifications=notes))

    async def _deliver(self) -> float:
        if self.fault == "restarts" and self.rng.random() < 0.05:
            # Killed in the middle: what was sent and not marked is sent again.
            task = asyncio.create_task(self.delivery.run_once(self._wall_ms()))
            await asyncio.sleep(self.rng.uniform(0, 0.01))
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self.delivery.close()
            self.delivery = self._born()
        return await self.delivery.run_once(self._wall_ms())

    def _pass(self, seconds: float) -> None:
        self.now_s += seconds
        while self.fault == "clock jumps" and self.jumps and min(self.jumps)[0] <= self.now_s:
            jump = min(self.jumps)
            self.jumps.remove(jump)
            self.jump_s += jump[1]

    def _trouble(self, now_s: float) -> Retry | None:
        rng = self.rng
        match self.fault:
            case "429" if rng.random() < 0.5:
                return self._too_much()
            case "429 storms" if rng.random() < (1.0 if now_s % STORM_EVERY_S < STORM_S else 0.05):
                return self._too_much()
            case "5xx" if rng.random() < 0.5:
                return Retry("HTTP 503", rng.choice((0.0, 5.0)))
            case "resets" if rng.random() < 0.5:
                return Retry("ConnectError")
            case "timeouts" if rng.random() < 0.3:
                return Retry("no answer in time")
            case "down for an hour" if 3600 <= now_s < 7200:
                return Retry("ConnectError")
        return None

    def _too_much(self) -> Retry:
        return Retry("HTTP 429", self.rng.choice((0.0, 1.0, 30.0, 120.0)), is_limit=True)

    def _loses(self) -> bool:
        return self.fault in ("timeouts", "resets") and self.rng.random() < 0.2

    def _replaced(self) -> set[str]:
        """What says how an incident goes on, did not arrive, and whose incident's end did."""
        keys = self.troubled.keys
        ends = {i for i in self.troubled.seen if f"{i}:resolved:troubled" in keys}
        return {key for i in ends if (key := f"{i}:cause-changed:troubled") not in keys}

    def _outcome(self) -> Outcome:
        wanted = {key for key in self.written if key.endswith(":troubled")}
        order = {reason: number for number, reason in enumerate(REASONS)}
        mixed = [s for s in self.troubled.seen.values() if [order[r] for r in s] != sorted(order[r] for r in s)]
        waits = [at_s - self.written[key] for key, at_s in self.healthy.keys.items()]
        return Outcome(
            wanted=len(wanted),
            lost=len(wanted - set(self.troubled.keys) - self._replaced()),
            seen_twice=sum(len(s) - len(set(s)) for s in self.troubled.seen.values()),
            out_of_order=len(mixed),
            repeated=self.troubled.repeated + self.healthy.repeated,
            dead=self.store.counts()["dead"],
            replaced=len(self._replaced()),
            last_s=max(self.troubled.keys.values(), default=0.0),
            healthy_worst_s=max(waits, default=0.0),
        )
