"""Where an incident hurts."""

from __future__ import annotations

from aiops.model import Incident


def hurt_service(incident: Incident) -> str:
    """The one service to name where there is room for one: the service that its title is about, "" if none is known."""
    named = incident.title.partition(":")[0]
    return named if named in incident.services else next(iter(incident.services), "")
