"""The contract of a notifier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from aiops.model import Notification


@dataclass(frozen=True, slots=True)
class Receipt:
    """The receiver has it, or is not to have it.

    `reference` is the receiver's own name for it, if it gave one. `left_out` says why it was not told; "" = it was.
    """

    reference: str = ""
    left_out: str = ""


@runtime_checkable
class Tended(Protocol):
    """What has to be looked after between notifications: alerts to be sent again, old things to be removed."""

    async def tend(self, now_ms: int) -> float:
        """Do what is due at `now_ms`, unix ms of the wall clock; gives the seconds until something will be.

        Raises
        ------
        Retry, Reject, StoreError : it could not be done; it is asked for again
        """
        ...


@runtime_checkable
class Wide(Protocol):
    """What may be told of several incidents at once; the others are told of one after the other."""

    @property
    def at_once(self) -> int:
        """Of how many."""
        ...


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


def at_once(notifier: Notifier | None) -> int:
    """Of how many incidents a notifier may be told at the same time."""
    return notifier.at_once if isinstance(notifier, Wide) else 1
