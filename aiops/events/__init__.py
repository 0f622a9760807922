"""Tells of deploys, changes and alerts, from other systems' formats into events."""

from aiops.events._payload import REASONS, Received, decoded, time_ms, typed

__all__ = ["REASONS", "Received", "decoded", "time_ms", "typed"]
