"""The short way for remote_write: a request is answered in the read that completes it, before the loop goes on.

It gives one answer, 204. Whatever is to be answered otherwise goes the way of all requests, so that there is one place
that says how: what is not for this route, may not be asked, is too large or too slow, and what was refused with the
error it was refused with.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from aiops.sources._write_headers import Written
from aiops.web.intake import Intake

REFUSED = "aiops.refused"
"""Where the scope of a request has the error that its body was refused with."""

Direct = Callable[[bytes, Mapping[str, str]], Written]
"""As `Backend.write`, but done when it returns."""

_NO_CONTENT = b"HTTP/1.1 204 No Content\r\n"


@dataclass(frozen=True, slots=True)
class ShortWrite:
    """What the short way needs of the application.

    Parameters
    ----------
    path : of the route
    permitted : whether who sends these headers may ask
    head : headers of every answer, as `lines_of` writes them
    counted : told of every answer
    """

    path: str
    write: Direct
    permitted: Callable[[Mapping[str, str]], bool]
    intake: Intake
    limit_bytes: int
    head: bytes
    counted: Callable[[], None]

    def fits(self, size_bytes: int) -> bool:
        """Whether a body of this size may be looked into, besides what is held."""
        return size_bytes <= self.limit_bytes and self.intake.has_room(size_bytes)

    def answer(self, written: Written, more: bytes) -> bytes:
        """The whole answer, counted; `more` headers as `lines_of` writes them."""
        own = lines_of((name.encode("latin-1"), value.encode("latin-1")) for name, value in written.headers().items())
        self.counted()
        return b"".join((_NO_CONTENT, more, own, self.head, b"\r\n"))


def lines_of(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Headers as they are sent."""
    return b"".join([b"%b: %b\r\n" % pair for pair in headers])


class ShortWriteProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with the short way before it.

    A body that comes in parts is held here: counted as held, and no longer than a body may take. When the connection or
    the server ends before it is whole, it goes the way of all requests with what has come, as if it had gone there at
    once.
    """

    def __init__(self, *args: Any, short: ShortWrite, **options: Any) -> None:
        super().__init__(*args, **options)
        self._short, self._path = short, short.path.encode()
        self._body: bytes | bytearray | None = None  # None = the request goes the way of all
        self._named: dict[str, str] = {}
        self._held_bytes = 0  # of the body, as far as they are counted
        self._patience: asyncio.TimerHandle | None = None
        self._more: tuple[object, bytes] = (None, b"")

    def data_received(self, data: bytes) -> None:
        """Take bytes as they come."""
        super().data_received(data)
        if self._body is not None and not self.transport.is_closing():
            self._hold(len(self._body))

    def connection_lost(self, exc: Exception | None) -> None:
        """Give up what is held."""
        self._leave()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Finish a request under way and take no other."""
        self._leave()
        super().shutdown()

    def on_headers_complete(self) -> None:
        """Take the short way if the request may go it."""
        is_first = (self.cycle is None or self.cycle.response_complete) and not self.flow.write_paused
        is_plain = self.url == self._path and self.parser.get_method() == b"POST" and not self.expect_100_continue
        if is_first and is_plain and self.parser.get_http_version() == "1.1" and self.parser.should_keep_alive():
            # Of headers that come twice the first counts, as for everybody else.
            self._named = {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(self.headers)}
            if self._short.permitted(self._named):
                self._body = b""
                return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take some of the body."""
        if self._body is None:
            super().on_body(body)
        elif self._body:
            # Bytes and not a list of parts: a sender may send one byte at a time.
            self._body = self._body if isinstance(self._body, bytearray) else bytearray(self._body)
            self._body += body
        else:
            self._body = body

    def on_message_complete(self) -> None:
        """Answer a request that has come whole."""
        if self._body is None:
            super().on_message_complete()
            return
        body = bytes(self._body)
        self._release()
        if self._short.fits(len(body)):
            try:
                written = self._short.write(body, self._named)
            except Exception as error:  # noqa: BLE001 - raised again on the way of all requests, which knows what to say
                self.scope[REFUSED] = error  # type: ignore[literal-required]
            else:
                self._body = None
                self.transport.write(self._short.answer(written, self._default_lines()))
                self.on_response_complete()
                return
        self._leave()
        super().on_message_complete()

    def _default_lines(self) -> bytes:
        """Headers of uvicorn's own; there are others every second."""
        headers = self.server_state.default_headers
        if self._more[0] is not headers:
            self._more = (headers, lines_of(headers))
        return self._more[1]

    def _hold(self, size_bytes: int) -> None:
        """Hold what has come of a body until the next read, if there is room for all of it."""
        declared = self._named.get("content-length", "")
        self._release(waits=True)
        if not self._short.fits(max(size_bytes, int(declared) if declared.isdecimal() else 0)):
            self._leave()
            return
        self._held_bytes = size_bytes
        self._short.intake.held_bytes += size_bytes
        if self._patience is None:
            self._patience = self.loop.call_later(self._short.intake.timeout_s, self._give_up)

    def _release(self, *, waits: bool = False) -> None:
        self._short.intake.held_bytes -= self._held_bytes
        self._held_bytes = 0
        if self._patience is not None and not waits:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        self.scope[REFUSED] = self._short.intake.too_slow()  # type: ignore[literal-required]
        self._leave()

    def _leave(self) -> None:
        """Go on on the way of all requests with what has come, if a request was on the short one."""
        body, self._body = self._body, None
        self._release()
        if body is None:
            return
        super().on_headers_complete()
        if body:
            super().on_body(bytes(body))
