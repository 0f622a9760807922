"""Tells of deploys, changes and alerts, from other systems' formats into events."""

from aiops.events._payload import REASONS, Received, time_ms

__all__ = ["REASONS", "Received", "time_ms"]
