"""Who is told of incidents."""

from aiops.notifiers._base import Notifier, Receipt

__all__ = ["Notifier", "Receipt"]
