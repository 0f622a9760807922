"""What a notifier must remember of an incident: the id of its message, annotation or ticket.

Kept in the store, so that a restart neither tells twice nor loses what is to be edited. A notifier whose receiver has
no idempotency keys writes down what it is about to do *before* it does it: after a crash it then knows to look whether
it was done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

from aiops.errors import StoreError

MOST_UNSAVED = 1000
"""Incidents whose receipts wait in memory for a store that fails; chosen, the most that are open at once."""


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
        self._unsaved: dict[str, dict[str, str]] = {}

    async def of(self, incident_id: str) -> dict[str, str]:
        """What is kept of an incident, by name."""
        return await asyncio.to_thread(self._store.receipts, self._receiver, incident_id)

    async def named(self, name: str) -> dict[str, str]:
        """What is kept under one name, by incident."""
        return await asyncio.to_thread(self._store.receipts_named, self._receiver, name)

    async def keep(self, incident_id: str, values: Mapping[str, str]) -> None:
        """Keep values beside those that are there; "" forgets one. They are on the disk when this returns."""
        await asyncio.to_thread(self._store.keep_receipts, self._receiver, incident_id, values)

    async def recall(self, incident_id: str) -> dict[str, str]:
        """What is known of an incident; for those who would rather tell twice than not at all when the store fails."""
        try:
            kept = await self.of(incident_id)
        except StoreError:
            kept = {}
        return {name: value for name, value in (kept | self._unsaved.get(incident_id, {})).items() if value}

    async def note(self, incident_id: str, values: Mapping[str, str]) -> None:
        """Keep values as `keep` does, or in memory for as long as the store fails."""
        values = {**self._unsaved.pop(incident_id, {}), **values}
        try:
            await self.keep(incident_id, values)
        except StoreError:
            self._unsaved[incident_id] = values
            if len(self._unsaved) > MOST_UNSAVED:
                del self._unsaved[next(iter(self._unsaved))]
