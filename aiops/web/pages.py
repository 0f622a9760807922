"""Pages for people: the list of incidents and one incident, readable on a phone, without any script.

Links are relative, so the pages work behind any prefix of a proxy. Every text from outside is escaped by the templates,
and the content policy allows nothing but the one style sheet, known by its hash.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from aiops import words
from aiops.model import Incident
from aiops.web._base import Backend
from aiops.web.api import DEFAULT_LIMIT
from aiops.web.timeline import timeline

SUSPECTS_FOR_PEOPLE = 3
SUPPRESSED_FOR_PEOPLE = 300
MEMBERS_FOR_PEOPLE = 50
"""Deviations and moments on one page; chosen, nobody reads more and a phone must load it."""

_LIVE = ("open", "flapping", "forming")


@dataclass(frozen=True)
class Pages:
    """Endpoints that are read by people."""

    backend: Backend
    refresh_s: int
    clock: Callable[[], float]

    def routes(self) -> list[Route]:
        """All pages."""
        return [
            Route("/", self.overview),
            Route("/suppressed", self.suppressed_list),
            Route("/incidents/{id}", self.detail),
        ]

    @cached_property
    def style(self) -> str:
        """The style sheet, inlined into every page."""
        return (Path(__file__).parent / "templates" / "style.css").read_text(encoding="utf-8")

    @property
    def policy(self) -> str:
        """What a browser may load for these pages: this style sheet and nothing else."""
        digest = base64.b64encode(hashlib.sha256(self.style.encode()).digest()).decode()
        return (
            f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
            "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        )

    @cached_property
    def templates(self) -> Environment:
        """The templates with the words they use."""
        loader = FileSystemLoader(Path(__file__).parent / "templates")
        found = Environment(
            loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        found.filters |= {"clock": words.clock, "moment": words.moment, "segment": _segment, "web_link": _web_link}
        found.filters |= {"percent": words.plain_percent, "rare": words.how_rare}
        found.globals |= {"quantity": words.quantity, "size": words.size, "counted": words.counted}
        return found

    async def overview(self, request: Request) -> Response:  # noqa: ARG002 - every endpoint gets the request
        """All incidents, live ones first."""
        found = self.backend.incidents(None, "", 0, DEFAULT_LIMIT)
        now_ms = int(self.clock() * 1000)
        live = [i for i in found if i.status in _LIVE]
        return self.page(
            "overview.html",
            live=[(i, _lasting(i, now_ms)) for i in sorted(live, key=lambda i: _LIVE.index(i.status))],
            over=[(i, _lasting(i, now_ms)) for i in found if i.status not in _LIVE],
            reasons=[*self.backend.ready(), *self.backend.warnings()],
            services=len(self.backend.graph()),
            limit=DEFAULT_LIMIT,
            refresh_s=self.refresh_s,
        )

    async def suppressed_list(self, request: Request) -> Response:  # noqa: ARG002 - every endpoint gets the request
        """What nobody was told of by itself, and why."""
        found = await asyncio.to_thread(self.backend.suppressed, 0, "", SUPPRESSED_FOR_PEOPLE)
        reasons = Counter[str]()
        for one in found:
            reasons[one.reason] += one.count
        return self.page(
            "suppressed.html", found=found, reasons=reasons.most_common(), most=SUPPRESSED_FOR_PEOPLE, refresh_s=0
        )

    async def detail(self, request: Request) -> Response:
        """One incident."""
        incident = self.backend.incident(request.path_params["id"])
        if incident is None:
            return self.page("missing.html", status=404, refresh_s=0)
        return self.page(
            "detail.html",
            incident=incident,
            lasting=_lasting(incident, int(self.clock() * 1000)),
            suspects=incident.ranking.suspects[:SUSPECTS_FOR_PEOPLE],
            timeline=timeline(incident),
            given=self.backend.book.of_incident(incident.id),
            messages=self.backend.outgoing(incident.id),
            members=MEMBERS_FOR_PEOPLE,
            refresh_s=self.refresh_s if incident.status in _LIVE else 0,
        )

    def page(self, name: str, *, status: int = 200, **content: object) -> Response:
        """A template as an answer."""
        style = Markup(self.style)  # noqa: S704 - our own file, no text from outside
        return HTMLResponse(self.templates.get_template(name).render(style=style, **content), status)


def _lasting(incident: Incident, now_ms: int) -> str:
    return words.span((incident.resolved_ms or max(now_ms, incident.started_ms)) - incident.started_ms)


def _segment(text: str) -> str:
    """One segment of a path, whatever is in it."""
    return quote(text, safe="")


def _web_link(url: str) -> str:
    """The address if a browser may follow it, else ""; `javascript:` is an address too."""
    return url if url.lower().startswith(("http://", "https://")) else ""
