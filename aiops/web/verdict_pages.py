"""Pages on which people give, see and undo verdicts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from aiops.errors import AiopsError
from aiops.web._forms import Forms
from aiops.web.auth import user_name
from aiops.web.intake import SMALL_BYTES, Intake, refuse_encoded
from aiops.web.pages import Pages

VERDICTS_FOR_PEOPLE = 100


@dataclass(frozen=True)
class VerdictPages:
    """A page that says what a verdict would change before it is given, and a page of all verdicts."""

    pages: Pages
    intake: Intake
    form_key: bytes = field(default=b"", repr=False)
    forms: Forms = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "forms", Forms(self.pages.clock, self.form_key))

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route("/verdicts", self.verdict_list),
            Route("/verdicts/{id}/undo", self.undo_form, methods=["POST"]),
            Route("/incidents/{id}/verdict", self.verdict_form),
            Route("/incidents/{id}/verdict", self.verdict_sent, methods=["POST"]),
        ]

    async def verdict_list(self, request: Request) -> Response:
        """Verdicts with their differences, the rules they make, and a button to undo each."""
        book = self.pages.backend.book
        given = book.all()[:VERDICTS_FOR_PEOPLE]
        return self.pages.page(
            "verdicts.html",
            given=given,
            seals={one.verdict.id: self.forms.seal(f"/verdicts/{one.verdict.id}/undo") for one in given},
            rules=sorted(book.rules().items()),
            who=user_name(request.headers),
            refresh_s=0,
        )

    async def verdict_form(self, request: Request) -> Response:
        """What a verdict would change, and the button to give it."""
        incident_id, answer = request.path_params["id"], request.query_params.get("answer", "")
        backend = self.pages.backend
        incident = backend.incident(incident_id)
        if incident is None:
            return self.pages.page("missing.html", status=404, refresh_s=0)
        changes = await asyncio.to_thread(backend.book.preview, incident_id, answer)
        return self.pages.page(
            "verdict.html",
            incident=incident,
            answer=answer,
            changes=changes,
            who=user_name(request.headers),
            seal=self.forms.seal(f"/incidents/{incident_id}/verdict"),
            refresh_s=0,
        )

    async def verdict_sent(self, request: Request) -> Response:
        """Give the verdict of a form, then show its incident."""
        incident_id = request.path_params["id"]
        fields = await self._fields(request, f"/incidents/{incident_id}/verdict")
        given = {"who": fields.get("who") or user_name(request.headers), "via": "page", "note": fields.get("note", "")}
        try:
            await asyncio.to_thread(self.pages.backend.book.give, incident_id, fields.get("answer", ""), **given)
        except AiopsError as error:
            return self.pages.page("refused.html", status=400, reason=str(error), refresh_s=0)
        return RedirectResponse("../../verdicts", 303)

    async def undo_form(self, request: Request) -> Response:
        """Undo the verdict of a form, then show all verdicts."""
        verdict_id = request.path_params["id"]
        fields = await self._fields(request, f"/verdicts/{verdict_id}/undo")
        who = fields.get("who") or user_name(request.headers)
        try:
            await asyncio.to_thread(self.pages.backend.book.undo, verdict_id, who=who, via="page")
        except AiopsError as error:
            return self.pages.page("refused.html", status=400, reason=str(error), refresh_s=0)
        return RedirectResponse("../../verdicts", 303)

    async def _fields(self, request: Request, path: str) -> dict[str, str]:
        refuse_encoded(request)
        async with self.intake.body(request, SMALL_BYTES) as body:
            return self.forms.read(path, body)
