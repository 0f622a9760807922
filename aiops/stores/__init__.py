"""Where state is kept."""

from aiops.stores._base import Cycle, Outbox, Outgoing, Received, Store

__all__ = ["Cycle", "Outbox", "Outgoing", "Received", "Store"]
