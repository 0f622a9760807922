"""Where samples come from."""

from aiops.sources._base import Batch, Source

__all__ = ["Batch", "Source"]
