"""The layer around every route: who may ask, headers that protect a reader, and a last net for our own mistakes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection

import msgspec
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aiops.secret import Secret
from aiops.web import auth

log = logging.getLogger(__name__)

Counted = Callable[[str, int], None]
"""Told the name of the endpoint (never the path a stranger made up) and the status of every answer, 0 for none."""

_OPEN = ("/-/healthy", "/-/ready", "/metrics")
_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
}


def headers_of_all(policy: str) -> tuple[tuple[bytes, bytes], ...]:
    """Headers that every answer has."""
    headers = _HEADERS | {"content-security-policy": policy}
    return tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items())


def problem(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    """An answer that says in JSON what is wrong."""
    return Response(msgspec.json.encode({"error": message}), status, headers, "application/json")


class Guard:
    """ASGI middleware; see the module.

    Parameters
    ----------
    signed : paths whose senders prove who they are by a signature instead of the token
    """

    def __init__(
        self, app: ASGIApp, *, token: Secret, policy: str, counted: Counted, signed: Collection[str] = ()
    ) -> None:
        self.app = app
        self._token = token
        self._headers = list(headers_of_all(policy))
        self._names = {name for name, _ in self._headers}
        self._counted = counted
        self._open = (*_OPEN, *signed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                others = [pair for pair in message.get("headers", ()) if pair[0] not in self._names]
                message["headers"] = others + self._headers
            await send(message)

        inner = self._refusal(scope) or self.app
        try:
            await inner(scope, receive, answer)
        except Exception:
            log.exception("request failed endpoint=%s", _endpoint(scope))
            if status:
                raise
            await problem(500, "internal error, see the log")(scope, receive, answer)
        finally:
            self._counted(_endpoint(scope), status)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if scope["path"] not in self._open and not auth.permitted(headers, self._token):
            return problem(401, "a token is needed", {"www-authenticate": 'Basic realm="aiops", charset="UTF-8"'})
        if scope["method"] not in ("GET", "HEAD") and auth.from_elsewhere(headers):
            return problem(403, "requests from other sites are not taken")
        return None


def _endpoint(scope: Scope) -> str:
    return str(getattr(scope.get("endpoint"), "__name__", "other"))
