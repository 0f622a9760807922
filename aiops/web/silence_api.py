"""Silences and what people did, for programs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from aiops import words
from aiops.silencing import Kept, Silencing, Wanted
from aiops.web._json import asked_in, json_answer
from aiops.web.auth import user_name
from aiops.web.intake import Intake
from aiops.web.pages import Pages

MOST_AUDIT = 1000
DURATION_S = 7200.0  # chosen, as in Slack


class _Asked(msgspec.Struct):
    incident: str = ""
    matchers: list[str] = []
    duration_s: float = DURATION_S
    who: str = ""
    comment: str = ""
    receiver: str = ""
    propose: bool = False


@dataclass(frozen=True, slots=True)
class SilenceApi:
    """Endpoints for silences, and a page that lists them; who asks is told as for verdicts."""

    silencing: Silencing
    intake: Intake
    pages: Pages

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route("/silences", self.silence_list),
            Route("/api/v1/silences", self.silences),
            Route("/api/v1/silences", self.silence, methods=["POST"]),
            Route("/api/v1/silences/{id}/expire", self.expire, methods=["POST"]),
            Route("/api/v1/audit", self.audit),
        ]

    async def silence_list(self, request: Request) -> Response:  # noqa: ARG002 - every endpoint gets the request
        """A page of what is silenced and by whom, and of what people did."""
        found = await self.silencing.all()
        done = await asyncio.to_thread(self.pages.backend.audit, 100)
        return self.pages.page("silences.html", found=found, done=done, refresh_s=0)

    async def silences(self, request: Request) -> Response:  # noqa: ARG002 - every endpoint gets the request
        """What is silenced, as Alertmanager has it now."""
        return json_answer({"silences": [silence_dict(one) for one in await self.silencing.all()]})

    async def silence(self, request: Request) -> Response:
        """Make a silence: 201; 200 if it is there already, or is only to be proposed."""
        asked = await asked_in(request, self.intake, _Asked)
        who = asked.who or user_name(request.headers)
        wanted = Wanted(who, asked.duration_s, asked.incident, asked.matchers, asked.comment, asked.receiver)
        kept = await (self.silencing.propose(wanted) if asked.propose else self.silencing.create(wanted))
        return json_answer(silence_dict(kept), 201 if kept.is_new else 200)

    async def expire(self, request: Request) -> Response:
        """End a silence now."""
        who = (await asked_in(request, self.intake, _Asked)).who or user_name(request.headers)
        return json_answer(silence_dict(await self.silencing.end(request.path_params["id"], who)))

    async def audit(self, request: Request) -> Response:  # noqa: ARG002 - every endpoint gets the request
        """Who pressed, silenced and ended what, latest first."""
        found = await asyncio.to_thread(self.pages.backend.audit, MOST_AUDIT)
        lines = [{"at": words.moment(one.at_ms), "via": one.via, "line": one.line} for one in found]
        return json_answer({"audit": lines})


def silence_dict(kept: Kept) -> Mapping[str, object]:
    """A silence in plain values, times as RFC 3339; the id of a proposal is empty."""
    one = kept.silence
    return {
        "id": one.id,
        "receiver": kept.receiver,
        "matchers": [str(m) for m in one.matchers],
        "starts_at": words.moment(one.starts_ms),
        "ends_at": words.moment(one.ends_ms),
        "created_by": one.created_by,
        "comment": one.comment,
    }
