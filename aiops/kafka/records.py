"""Messages as Kafka gives them, and where those go that nobody can read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from aiops.kafka.producer import Producer

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Record:
    """One message as Kafka gave it.

    Parameters
    ----------
    time_ms : when it was sent, unix ms
    done : lets Kafka know that reading need not begin at it again
    """

    topic: str
    partition: int
    offset: int
    time_ms: int
    data: bytes
    done: Callable[[], object]
    headers: Mapping[str, bytes] = field(default_factory=dict)


class Bury(Protocol):
    """Puts a message that cannot be read where people can see it, with the reason."""

    async def __call__(self, record: Record, reason: str) -> None:
        """The message is there when this returns. Raises `Overloaded` when it is not."""
        ...


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """A topic for messages that cannot be read."""

    producer: Producer
    topic: str

    async def __call__(self, record: Record, reason: str) -> None:
        """Put a message there as it came, its place and the reason in headers."""
        place = f"{record.topic}/{record.partition}/{record.offset}"
        log.error("message cannot be read place=%s reason=%s", place, reason[:200])
        headers = [("reason", reason[:1000].encode()), ("place", place.encode())]
        await self.producer.put(self.topic, record.data, headers=headers)
