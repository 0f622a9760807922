"""A store of receipts that does not work, for as long as that is wanted."""

from __future__ import annotations

from aiops.errors import StoreError
from aiops.notifiers.checks import MemoryReceipts


class BrokenReceipts(MemoryReceipts):
    """Raises what a full disk or a lost database raises."""

    def __init__(self):
        super().__init__()
        self.is_broken = True

    def receipts(self, receiver, incident_id):
        self._work()
        return super().receipts(receiver, incident_id)

    def receipts_named(self, receiver, name):
        self._work()
        return super().receipts_named(receiver, name)

    def keep_receipts(self, receiver, incident_id, values):
        self._work()
        super().keep_receipts(receiver, incident_id, values)

    def _work(self):
        if self.is_broken:
            raise StoreError("the disk is full")
