"""A delivery over a real store, with a clock that is moved by hand and receivers that answer as told."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

from aiops.delivery import Delivery, DeliveryRules
from aiops.model import Incident, Notification
from aiops.notifiers import Receipt

INCIDENT = Incident("i1", "open", "t", "warning", 0, 0, 0)

RULES = DeliveryRules(first_s=2, longest_s=60, asked_s=600, timeout_s=0.05, give_up_s=3600, patience_s=5, idle_s=30)


def note(key, receiver="pager", incident="i1", created_ms=0, reason="opened"):
    return Notification(key, replace(INCIDENT, id=incident), receiver, reason, created_ms)


class Fake:
    """A receiver that answers as told, by key or in turn: an error, "crash", or an event it waits for."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.got: list[str] = []
        self.closed = False

    async def send(self, notification):
        self.got.append(notification.key)
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, asyncio.Event):
            await answer.wait()
        elif answer is not None:
            raise answer
        return Receipt()

    async def close(self):
        self.closed = True


class Bench:
    """A delivery with a clock that is moved by hand."""

    def __init__(self, store, rules=RULES, **receivers):
        self.now_ms = 0
        self.store = store
        self.delivery = Delivery(store, receivers, lambda: self.now_ms, random.Random(1), rules)

    async def at(self, now_s):
        self.now_ms = round(now_s * 1000)
        return await self.delivery.run_once(self.now_ms)
