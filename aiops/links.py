"""Addresses of our own pages, for messages that people follow."""

from __future__ import annotations

from urllib.parse import quote


def incident_url(public_url: str, incident_id: str) -> str:
    """The page of an incident; "" when nobody has said where people reach the pages.

    >>> incident_url("https://ops.example/aiops/", "0123456789ab"), incident_url("", "0123456789ab")
    ('https://ops.example/aiops/incidents/0123456789ab', '')
    """
    return f"{public_url.rstrip('/')}/incidents/{quote(incident_id, safe='')}" if public_url else ""
