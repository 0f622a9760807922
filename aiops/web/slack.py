"""The route that Slack calls when somebody presses a button, where it can reach us.

Slack signs what it sends: `v0=` and the hex HMAC-SHA256 of `v0:{time}:{body}`, over the body as it came. What is older
than five minutes, or signed by nobody we know, is refused before it is looked at.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from aiops.errors import InputError, Overloaded
from aiops.secret import Secret
from aiops.web.guard import problem
from aiops.web.intake import Intake, refuse_encoded

log = logging.getLogger(__name__)

PATH = "/slack/interactions"
MOST_BYTES = 2**20
"""A payload holds the message its button is in, some 50 KB at most: chosen."""
ACK_S = 2.5
"""Slack waits three seconds for an answer."""
AUDIT_EVERY_S = 60.0
"""Refusals are written down at most this often; all are counted and logged."""


@dataclass(frozen=True, slots=True)
class SlackApp:
    """One app that may call.

    Parameters
    ----------
    secret : its signing secret
    take : is given the payload, read from JSON; when it returns the payload is durable
    refused : is told of requests that were not signed right, a line each
    """

    secret: Secret
    take: Callable[[object], Awaitable[None]]
    refused: Callable[[str], Awaitable[None]]


class SlackRoute:
    """The endpoint of all apps.

    Parameters
    ----------
    clock : wall time, unix seconds
    """

    def __init__(self, apps: Sequence[SlackApp], intake: Intake, clock: Callable[[], float]) -> None:
        self._apps, self._intake, self._clock = tuple(apps), intake, clock
        self._audited_s = -AUDIT_EVERY_S

    def routes(self) -> list[Route]:
        """The route; none without an app."""
        return [Route(PATH, self.slack, methods=["POST"])] if self._apps else []

    async def slack(self, request: Request) -> Response:
        """Take the press of a button; what it asks for is done later."""
        refuse_encoded(request)
        async with self._intake.body(request, MOST_BYTES) as body:
            app = self._signer(request.headers, body)
            if app is None:
                await self._tell_refused(request)
                return problem(401, "the signature is missing, wrong or older than five minutes")
            payload = _payload(request.headers.get("content-type", ""), body)
            if payload is not None:
                try:
                    async with asyncio.timeout(ACK_S):
                        await app.take(payload)
                except TimeoutError:
                    raise Overloaded("it could not be written down in time") from None
        return Response(status_code=200)

    def _signer(self, headers: Mapping[str, str], body: bytes) -> SlackApp | None:
        from slack_sdk.signature import Clock, SignatureVerifier

        at_s = self._clock()

        class Now(Clock):
            def now(self) -> float:
                return at_s

        stamp, signature = headers.get("x-slack-request-timestamp", ""), headers.get("x-slack-signature", "")
        if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 13 and signature.isascii()):
            return None
        for app in self._apps:
            try:
                if SignatureVerifier(app.secret.reveal(), Now()).is_valid(body, stamp, signature):
                    return app
            except UnicodeDecodeError:
                return None
        return None

    async def _tell_refused(self, request: Request) -> None:
        sender = request.client.host if request.client else "unknown"
        log.warning("slack request refused sender=%s reason=signature", sender)
        if self._clock() - self._audited_s >= AUDIT_EVERY_S:
            self._audited_s = self._clock()
            for app in self._apps:
                await app.refused(f"a request from {sender} was not signed by Slack or too old, it was refused")


def _payload(kind: str, body: bytes) -> object:
    """The payload; None for Slack's check of the certificate. Raises InputError."""
    if kind.partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise InputError("Content-Type: expected application/x-www-form-urlencoded")
    try:
        form = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=10)
    except ValueError as error:
        raise InputError("body: is no form of at most ten fields in UTF-8") from error
    if "ssl_check" in form:
        return None
    if len(form.get("payload", ())) != 1:
        raise InputError("payload: expected one form field of this name")
    try:
        return msgspec.json.decode(form["payload"][0])
    except msgspec.DecodeError as error:
        raise InputError(f"payload: is no JSON: {error}") from error
