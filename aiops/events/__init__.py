"""Tells of deploys, changes and alerts, from other systems' formats into events."""

from aiops.events._payload import Received

__all__ = ["Received"]
