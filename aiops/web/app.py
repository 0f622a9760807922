"""The HTTP side as one application: receivers, API and pages over a backend."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from aiops.errors import AiopsError, InputError, NotFound, NotPermitted, TooLarge, UnsupportedMedia
from aiops.silencing import Silencing
from aiops.telemetry import Telemetry
from aiops.web import auth
from aiops.web._base import Backend, WebSettings
from aiops.web.api import Api
from aiops.web.delivery_api import DeliveryApi
from aiops.web.guard import Guard, headers_of_all, problem
from aiops.web.intake import Intake
from aiops.web.otlp import OTLP_PATH, otlp_failure, otlp_is_json
from aiops.web.pages import Pages
from aiops.web.receivers import WRITE_PATH, Receivers
from aiops.web.short_write import ShortWrite, lines_of
from aiops.web.shortcut import Shortcut
from aiops.web.silence_api import SilenceApi
from aiops.web.slack import SlackApp, SlackRoute
from aiops.web.verdict_api import VerdictApi
from aiops.web.verdict_pages import VerdictPages

log = logging.getLogger(__name__)

RETRY_AFTER_S = 5
"""What a sender is asked to wait when we are behind; Prometheus' own back-off reaches the same 5 s."""


def build_app(
    backend: Backend,
    settings: WebSettings,
    *,
    telemetry: Telemetry | None = None,
    clock: Callable[[], float] = time.time,
    slack: Sequence[SlackApp] = (),
    silencing: Silencing | None = None,
) -> Starlette:
    """Build the application.

    Parameters
    ----------
    telemetry : where requests and events are counted; None = a private one that nobody sees
    clock : wall time, unix seconds
    slack : apps whose buttons come in here
    silencing : makes silences; None = nothing can be silenced
    """
    metrics = telemetry or Telemetry()
    intake = Intake(settings.max_held_bytes, settings.body_timeout_s)
    pages = Pages(backend, settings.refresh_s, clock)
    receivers = Receivers(backend, settings, intake, clock, metrics.told)
    buttons = SlackRoute(slack, intake, clock).routes()
    # Slack has a signature and no token of ours.
    signed = tuple(route.path for route in buttons)
    guard = Middleware(Guard, token=settings.token, policy=pages.policy, counted=metrics.answered, signed=signed)
    failed = {AiopsError: _refused, HTTPException: _no_such_route, ClientDisconnect: _gone}
    short = None
    if backend.direct_write is not None:
        short = ShortWrite(
            path=WRITE_PATH,
            write=backend.direct_write,
            permitted=lambda headers: auth.permitted(headers, settings.token) and not auth.from_elsewhere(headers),
            intake=intake,
            limit_bytes=settings.max_write_bytes,
            head=lines_of(headers_of_all(pages.policy)),
            counted=metrics.counter(receivers.write.__name__, HTTPStatus.NO_CONTENT),
        )
    shortcut = Middleware(Shortcut, path=WRITE_PATH, endpoint=receivers.write, failed=failed)
    app = Starlette(
        routes=[
            *receivers.routes(),
            *buttons,
            *Api(backend).routes(),
            *VerdictApi(backend, intake).routes(),
            *DeliveryApi(backend, intake).routes(),
            *SilenceApi(silencing or _no_silences(backend), intake, pages).routes(),
            *VerdictPages(pages, intake, settings.form_key).routes(),
            *pages.routes(),
        ],
        middleware=[guard, shortcut],
        exception_handlers=failed,
    )
    app.state.short_write = short
    return app


def _no_silences(backend: Backend) -> Silencing:
    return Silencing({}, backend.incident, clock=lambda: 0)


async def _refused(request: Request, error: Exception) -> Response:
    """Turn one of our errors into an answer the sender acts rightly on."""
    status = _status(error, is_write=request.url.path == WRITE_PATH)
    log.warning("request refused path=%s status=%d reason=%s", request.url.path, status, str(error)[:200])
    headers = {"retry-after": str(RETRY_AFTER_S)} if status == HTTPStatus.SERVICE_UNAVAILABLE else None
    if request.url.path == OTLP_PATH:
        return otlp_failure(status, str(error)[:1000], headers, is_json=otlp_is_json(request))
    return problem(status, str(error)[:1000], headers)


def _status(error: Exception, *, is_write: bool) -> int:
    if isinstance(error, UnsupportedMedia):
        return 415
    if isinstance(error, TooLarge) and not is_write:
        return 413
    # Senders of remote_write know 400 as "wrong for good"; some try again after a 413.
    if isinstance(error, NotFound | NotPermitted):
        return 404 if isinstance(error, NotFound) else 403
    return 400 if isinstance(error, InputError) else 503


async def _no_such_route(request: Request, error: Exception) -> Response:  # noqa: ARG001 - the shape of a handler
    assert isinstance(error, HTTPException)
    return problem(error.status_code, error.detail.lower(), dict(error.headers or {}))


async def _gone(request: Request, error: Exception) -> Response:  # noqa: ARG001 - the shape of a handler
    log.info("sender went away path=%s", request.url.path)
    return problem(400, "the body did not arrive")
