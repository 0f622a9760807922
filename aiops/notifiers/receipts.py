"""What a notifier must remember of an incident: the id of its message, annotation or ticket.

Kept in the store, so that a restart neither tells twice nor loses what is to be edited. A notifier whose receiver has
no idempotency keys writes down what it is about to do *before* it does it: after a crash it then knows to look whether
it was done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol


class ReceiptStore(Protocol):
    """Where receipts are kept. Each method may raise `StoreError`."""

    def receipts(self, receiver: str, incident_id: str) -> dict[str, str]:
        """What a receiver keeps of an incident, by name."""
        ...

    def receipts_named(self, receiver: str, name: str) -> dict[str, str]:
        """What a receiver keeps under one name, by incident."""
        ...

    def keep_receipts(self, receiver: str, incident_id: str, values: Mapping[str, str]) -> None:
        """Keep values beside those that are there; "" forgets one."""
        ...


class Receipts:
    """The receipts of one receiver. They are forgotten with their incident; those of the incident "" are not.

    Parameters
    ----------
    receiver : its name in the settings
    """

    def __init__(self, store: ReceiptStore, receiver: str) -> None:
        self._store = store
        self._receiver = receiver

    async def of(self, incident_id: str) -> dict[str, str]:
        """What is kept of an incident, by name."""
        return await asyncio.to_thread(self._store.receipts, self._receiver, incident_id)

    async def named(self, name: str) -> dict[str, str]:
        """What is kept under one name, by incident."""
        return await asyncio.to_thread(self._store.receipts_named, self._receiver, name)

    async def keep(self, incident_id: str, values: Mapping[str, str]) -> None:
        """Keep values beside those that are there; "" forgets one. They are on the disk when this returns."""
        await asyncio.to_thread(self._store.keep_receipts, self._receiver, incident_id, values)
