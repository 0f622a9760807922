"""What was not told, and why: dead letters and suppressed items for programs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from aiops import words
from aiops.model import Suppressed
from aiops.stores import Outgoing
from aiops.web._base import Backend
from aiops.web._json import asked_in, json_answer, limit, since_ms
from aiops.web.intake import Intake

log = logging.getLogger(__name__)

DEFAULT, MOST = 1000, 10_000  # items of one answer
LONGEST_BODY = 2**20  # bytes; ten thousand keys fit


class _Asked(msgspec.Struct):
    keys: list[str] = []


@dataclass(frozen=True, slots=True)
class DeliveryApi:
    """Endpoints about what did not reach anybody."""

    backend: Backend
    intake: Intake

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route("/api/v1/suppressed", self.suppressed),
            Route("/api/v1/dead-letters", self.dead_letters),
            Route("/api/v1/dead-letters/replay", self.replay, methods=["POST"]),
            Route("/api/v1/incidents/{id}/messages", self.messages),
        ]

    async def suppressed(self, request: Request) -> Response:
        """Items nobody was told of by themselves, latest first; `?since=`, `?incident=`, `?limit=`."""
        query = request.query_params
        most = limit(query, DEFAULT, MOST)
        found = await asyncio.to_thread(self.backend.suppressed, since_ms(query), query.get("incident", ""), most)
        return json_answer({"suppressed": [suppressed_dict(one) for one in found]})

    async def dead_letters(self, request: Request) -> Response:
        """Notifications that were given up, latest first."""
        found = await asyncio.to_thread(self.backend.dead_letters, limit(request.query_params, DEFAULT, MOST))
        return json_answer({"dead_letters": [outgoing_dict(row) for row in found]})

    async def replay(self, request: Request) -> Response:
        """Try dead letters again: `{"keys": [...]}`, or all of them without."""
        asked = await asked_in(request, self.intake, _Asked, LONGEST_BODY)
        count = await asyncio.to_thread(self.backend.put_back, asked.keys)
        log.info("dead letters put back count=%d", count)
        return json_answer({"replayed": count}, 202)

    async def messages(self, request: Request) -> Response:
        """What was and is to be sent of an incident, in order."""
        found = await asyncio.to_thread(self.backend.outgoing, request.path_params["id"])
        return json_answer({"messages": [outgoing_dict(row) for row in found]})


def suppressed_dict(one: Suppressed) -> Mapping[str, object]:
    """A suppressed item in plain values."""
    return {
        "id": one.item_id,
        "subject": one.subject,
        "service": one.service,
        "reason": one.reason,
        "incident": one.incident_id,
        "first_at": words.moment(one.first_ms),
        "last_at": words.moment(one.last_ms),
        "count": one.count,
    }


def outgoing_dict(row: Outgoing) -> Mapping[str, object]:
    """A notification on its way in plain values."""
    note = row.notification
    return {
        "key": note.key,
        "receiver": note.receiver,
        "incident": note.incident.id,
        "title": note.incident.title,
        "reason": note.reason,
        "created_at": words.moment(note.created_ms),
        "state": row.state,
        "attempts": row.attempts,
        "note": row.note,
    }
