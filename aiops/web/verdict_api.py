"""Verdicts for programs: give, undo, list, and the rules they make."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from aiops import words
from aiops.verdicts import Given
from aiops.web._base import Backend
from aiops.web._json import asked_in, json_answer
from aiops.web.auth import user_name
from aiops.web.intake import Intake


class _Asked(msgspec.Struct):
    answer: str = ""
    who: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class VerdictApi:
    """Endpoints for verdicts; who asks is the `who` of the body, or the user name of basic authentication."""

    backend: Backend
    intake: Intake

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route("/api/v1/verdicts", self.verdicts),
            Route("/api/v1/policy", self.policy),
            Route("/api/v1/incidents/{id}/verdict", self.give, methods=["POST"]),
            Route("/api/v1/verdicts/{id}/undo", self.undo_verdict, methods=["POST"]),
        ]

    async def verdicts(self, request: Request) -> Response:
        """Verdicts with what each changed, latest first; `?incident=` those of one."""
        given = self.backend.book.all(request.query_params.get("incident", ""))
        return json_answer({"verdicts": [verdict_dict(one) for one in given]})

    async def policy(self, request: Request) -> Response:  # noqa: ARG002 - every endpoint gets the request
        """The rules that hold now, by what they are about."""
        rules = self.backend.book.rules()
        return json_answer(
            {"rules": [{"subject": s, "rule": r.said(), "why": r.why} for s, r in sorted(rules.items())]}
        )

    async def give(self, request: Request) -> Response:
        """Say what an incident was: 201 with what changed, 200 if it had been said before."""
        asked = await asked_in(request, self.intake, _Asked)
        key = request.headers.get("idempotency-key", "")
        book, incident_id = self.backend.book, request.path_params["id"]
        who = asked.who or user_name(request.headers)
        given = await asyncio.to_thread(
            book.give, incident_id, asked.answer, who=who, via="api", key=key, note=asked.note
        )
        return json_answer(verdict_dict(given), 201 if given.is_new else 200)

    async def undo_verdict(self, request: Request) -> Response:
        """Take a verdict back."""
        asked = await asked_in(request, self.intake, _Asked)
        who = asked.who or user_name(request.headers)
        book, verdict_id = self.backend.book, request.path_params["id"]
        await asyncio.to_thread(book.undo, verdict_id, who=who, via="api")
        return json_answer(next(verdict_dict(one) for one in book.all() if one.verdict.id == verdict_id))


def verdict_dict(given: Given) -> Mapping[str, object]:
    """A verdict in plain values, times as RFC 3339."""
    one = given.verdict
    return {
        "id": one.id,
        "incident": one.incident_id,
        "answer": one.answer,
        "who": one.who,
        "via": one.via,
        "note": one.note,
        "at": words.moment(one.at_ms),
        "until": words.moment(one.until_ms),
        "undone_at": None if one.undone_ms is None else words.moment(one.undone_ms),
        "undone_by": one.undone_by,
        "changes": [{"subject": c.subject, "before": c.before, "after": c.after} for c in given.changes],
    }
