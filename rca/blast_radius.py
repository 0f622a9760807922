"""Blast radius: who feels it when a service fails."""

from __future__ import annotations

from rca.graph import ServiceGraph


def blast_radius(graph: ServiceGraph, service: str) -> tuple[str, ...]:
    """Services that depend on `service`, itself left out, nearest first and then by name; () for an unknown one.

    >>> blast_radius(ServiceGraph([("web", "shop"), ("shop", "db"), ("jobs", "db")]), "db")
    ('jobs', 'shop', 'web')
    """
    found: list[str] = []
    seen, front = {service}, [service]
    while front:
        front = sorted({caller for one in front for caller in graph.callers(one)} - seen)
        seen.update(front)
        found += front
    return tuple(found)
