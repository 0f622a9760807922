"""The contract of a notifier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from aiops.model import Notification


@dataclass(frozen=True, slots=True)
class Receipt:
    """The receiver has it. `reference` is the receiver's own name for it, if it gave one."""

    reference: str = ""


class Notifier(Protocol):
    """Tells one receiver."""

    async def send(self, notification: Notification) -> Receipt:
        """Tell the receiver, once per `notification.key` as far as it lets us.

        Raises
        ------
        NotYet : it wants this one at a later time, which it says
        Retry : it may work later; says when, if the receiver did
        Reject : it will never work with this one
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
