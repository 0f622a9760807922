"""Where state is kept."""

from aiops.stores._base import Cycle, Outgoing, Received, Store

__all__ = ["Cycle", "Outgoing", "Received", "Store"]
