"""The way past the router for the one route that is asked a thousand times a second."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

Endpoint = Callable[[Request], Awaitable[Response]]
OnError = Callable[[Request, Exception], Awaitable[Response]]


class Shortcut:
    """ASGI middleware: POST of `path` goes to `endpoint`; everything else goes on to `app`.

    Parameters
    ----------
    failed : what is answered to errors, as Starlette's `exception_handlers`; others are raised
    """

    def __init__(
        self, app: ASGIApp, *, path: str, endpoint: Endpoint, failed: Mapping[type[Exception], OnError]
    ) -> None:
        self.app = app
        self._path, self._endpoint, self._failed = path, endpoint, failed
        self._caught = tuple(failed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["path"] != self._path or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        scope["endpoint"] = self._endpoint
        request = Request(scope, receive)
        try:
            response = await self._endpoint(request)
        except self._caught as error:
            answer = next(answer for kind, answer in self._failed.items() if isinstance(error, kind))
            response = await answer(request, error)
        await response(scope, receive, send)
