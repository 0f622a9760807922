"""Who is told of incidents."""

from aiops.notifiers._base import Notifier, Receipt, Tended, Wide, at_once
from aiops.notifiers.receipts import Receipts

__all__ = ["Notifier", "Receipt", "Receipts", "Tended", "Wide", "at_once"]
