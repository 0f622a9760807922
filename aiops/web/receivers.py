"""Routes that take something: samples, alerts, events.

A sender's rules decide the answers. remote_write and Alertmanager try again after 5xx and drop after 4xx: so what is
wrong for good is 4xx, and what may work later is 503, never 429 (most senders drop on it) and never 500.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from aiops.events import Received, alertmanager, grafana, posted
from aiops.web._base import Backend, WebSettings
from aiops.web._json import json_answer
from aiops.web.guard import problem
from aiops.web.intake import Intake, refuse_encoded
from aiops.web.otlp import OTLP_PATH, otlp_is_json, otlp_success
from aiops.web.short_write import REFUSED

log = logging.getLogger(__name__)

WRITE_PATH = "/api/v1/write"

Told = Callable[[Literal["alertmanager", "grafana", "events"], Received], None]
"""Told what came in by which route, for the metrics."""


@dataclass(frozen=True, slots=True)
class Receivers:
    """Endpoints of everything that is pushed to us."""

    backend: Backend
    settings: WebSettings
    intake: Intake
    clock: Callable[[], float]
    told: Told

    def routes(self) -> list[Route]:
        """All routes that take a body."""
        return [
            Route(WRITE_PATH, self.write, methods=["POST"]),
            Route(OTLP_PATH, self.otlp_metrics, methods=["POST"]),
            Route("/api/v1/events", self.events, methods=["POST"]),
            Route("/webhooks/alertmanager", self.alertmanager, methods=["POST"]),
            Route("/webhooks/grafana", self.grafana, methods=["POST", "PUT"]),
        ]

    async def write(self, request: Request) -> Response:
        """Samples by remote_write: 204, or why not."""
        if REFUSED in request.scope:
            raise request.scope[REFUSED]
        async with self.intake.body(request, self.settings.max_write_bytes) as body:
            written = await self.backend.write(body, dict(request.headers))
        return Response(status_code=204, headers=written.headers())

    async def otlp_metrics(self, request: Request) -> Response:
        """Metrics by OTLP: 200 and what of them was left out, in the format of the request."""
        async with self.intake.body(request, self.settings.max_write_bytes) as body:
            taken = await self.backend.otlp_metrics(body, dict(request.headers))
        if taken.message:
            log.warning("OTLP metrics left out count=%d reason=%s", taken.rejected, taken.message[:500])
        return otlp_success(taken, is_json=otlp_is_json(request))

    async def alertmanager(self, request: Request) -> Response:
        """Alerts of an Alertmanager."""
        async with self._body(request) as body:
            got = alertmanager.read(body, self._now_ms(), self.settings.service_labels)
            return await self._taken("alertmanager", got)

    async def grafana(self, request: Request) -> Response:
        """Alerts of a Grafana, signed if a secret is set."""
        async with self._body(request) as body:
            if not self._signed(request, body):
                return problem(401, "the signature is missing, wrong or too old")
            got = grafana.read(body, self._now_ms(), self.settings.service_labels)
            return await self._taken("grafana", got)

    async def events(self, request: Request) -> Response:
        """Deploys and other changes; answered with the ids they are known by."""
        async with self._body(request) as body:
            got = posted.read(body, request.headers, self._now_ms(), self.settings.service_labels)
            return await self._taken("events", got)

    def _body(self, request: Request) -> AbstractAsyncContextManager[bytes]:
        refuse_encoded(request)
        return self.intake.body(request, self.settings.max_event_bytes)

    def _signed(self, request: Request, body: bytes) -> bool:
        return not self.settings.grafana_secret or grafana.signed(
            body,
            request.headers,
            self.settings.grafana_secret.reveal(),
            self.clock(),
            header=self.settings.grafana_signature_header,
            timestamp_header=self.settings.grafana_timestamp_header,
        )

    async def _taken(self, route: Literal["alertmanager", "grafana", "events"], got: Received) -> Response:
        if got.events:
            await self.backend.events(list(got.events))
        self.told(route, got)
        answer = {"ids": [event.id for event in got.events], "rejected": dict(got.rejects)}
        return json_answer(answer, 202)

    def _now_ms(self) -> int:
        return int(self.clock() * 1000)
