"""Routes that answer programs: incidents and the service graph as JSON, health, own metrics."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import get_args

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from aiops import words
from aiops.detection.accepted import Accepted
from aiops.errors import InputError
from aiops.model import Status
from aiops.web._base import Backend
from aiops.web._json import json_answer, limit, since_ms
from aiops.web.guard import problem
from aiops.web.render import incident_dict

log = logging.getLogger(__name__)

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
"""Both chosen: an incident is a few KB of JSON."""

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Asked:
    """Which incidents are asked for."""

    status: Status | None = None
    service: str = ""
    since_ms: int = 0
    limit: int = DEFAULT_LIMIT


def asked(query: dict[str, str]) -> Asked:
    """Read the query of the list of incidents.

    >>> asked({"status": "open", "limit": "5"})
    Asked(status='open', service='', since_ms=0, limit=5)

    Raises
    ------
    InputError : naming the parameter, also for an unknown one: a filter that is not applied misleads
    """
    for key in query:
        if key not in ("status", "service", "since", "limit"):
            raise InputError(f"{key}: no such parameter; there are status, service, since, limit")
    status = next((s for s in get_args(Status) if s == query.get("status")), None)
    if query.get("status") and status is None:
        raise InputError(f"status: must be one of {', '.join(get_args(Status))}")
    return Asked(status, query.get("service", ""), since_ms(query), limit(query, DEFAULT_LIMIT, MAX_LIMIT))


@dataclass(frozen=True, slots=True)
class Api:
    """Endpoints that are read by programs."""

    backend: Backend

    def routes(self) -> list[Route]:
        """All routes that answer programs."""
        return [
            Route("/api/v1/incidents", self.incidents),
            Route("/api/v1/incidents/{id}", self.incident),
            Route("/api/v1/accepted", self.accepted),
            Route("/api/v1/accepted/{id}/undo", self.undo, methods=["POST"]),
            Route("/api/v1/graph", self.graph),
            Route("/-/healthy", self.healthy),
            Route("/-/ready", self.ready),
            Route("/metrics", self.metrics),
        ]

    async def incidents(self, request: Request) -> Response:
        """Incidents, newest first."""
        want = asked(dict(request.query_params))
        found = self.backend.incidents(want.status, want.service, want.since_ms, want.limit)
        return json_answer({"incidents": [incident_dict(incident) for incident in found]})

    async def incident(self, request: Request) -> Response:
        """One incident."""
        found = self.backend.incident(request.path_params["id"])
        return problem(404, "no such incident") if found is None else json_answer(incident_dict(found))

    async def accepted(self, request: Request) -> Response:  # noqa: ARG002 - every endpoint gets the request
        """Levels that were taken for normal after a change, latest first."""
        return json_answer({"accepted": [accepted_dict(one) for one in self.backend.accepted()]})

    async def undo(self, request: Request) -> Response:
        """Take an accepted level back; it is done with the next cycle, so the answer is 202."""
        accepted_id = request.path_params["id"]
        if not await self.backend.undo(accepted_id):
            return problem(404, "no such accepted level, or undone already")
        log.info("undo asked for id=%s", accepted_id)
        return json_answer({"id": accepted_id}, 202)

    async def graph(self, request: Request) -> Response:  # noqa: ARG002 - every endpoint gets the request
        """Services and calls between them."""
        graph = self.backend.graph()
        edges = [{"caller": a, "callee": b, "seen_at": words.moment(seen_ms)} for a, b, seen_ms in graph.edges()]
        return json_answer({"services": graph.services(), "edges": edges})

    async def healthy(self, request: Request) -> Response:  # noqa: ARG002 - every endpoint gets the request
        """The process answers."""
        return PlainTextResponse("healthy\n")

    async def ready(self, request: Request) -> Response:  # noqa: ARG002 - every endpoint gets the request
        """Whether the service does its work, and if not, why."""
        reasons, warnings = self.backend.ready(), [f"warning: {line}" for line in self.backend.warnings()]
        lines = ("not ready" if reasons else "ready", *reasons, *warnings)
        return PlainTextResponse("".join(f"{line}\n" for line in lines), 503 if reasons else 200)

    async def metrics(self, request: Request) -> Response:  # noqa: ARG002 - every endpoint gets the request
        """Own metrics and anomaly scores."""
        return Response(self.backend.metrics(), headers={"content-type": _METRICS_TYPE})


def accepted_dict(one: Accepted) -> dict[str, object]:
    """An accepted level in plain values: times as RFC 3339, numbers finite or null."""
    return {
        "id": one.id,
        "series": str(one.series),
        "service": one.series.service,
        "signal": one.series.signal,
        "change": one.change,
        "changed_at": words.moment(one.change_ms),
        "accepted_at": words.moment(one.accepted_ms),
        "undone_at": None if one.undone_ms is None else words.moment(one.undone_ms),
        "before": one.before if math.isfinite(one.before) else None,
        "after": one.after if math.isfinite(one.after) else None,
        "unit": one.unit,
    }
