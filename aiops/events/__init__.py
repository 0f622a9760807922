"""Tells of deploys, changes and alerts, from other systems' formats into events."""
