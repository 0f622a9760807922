"""Addresses of our own: of pages, for messages that people follow, and of what listens."""

from __future__ import annotations

from urllib.parse import quote


def incident_url(public_url: str, incident_id: str) -> str:
    """The page of an incident; "" when nobody has said where people reach the pages.

    >>> incident_url("https://ops.example/aiops/", "0123456789ab"), incident_url("", "0123456789ab")
    ('https://ops.example/aiops/incidents/0123456789ab', '')
    """
    return f"{public_url.rstrip('/')}/incidents/{quote(incident_id, safe='')}" if public_url else ""


def http_url(host: str, port: int) -> str:
    """The address of what listens there.

    >>> http_url("127.0.0.1", 8080), http_url("::1", 8080)
    ('http://127.0.0.1:8080', 'http://[::1]:8080')
    """
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
