"""The short way for remote_write: a request is answered in the read that completes it, before the loop goes on.

It gives one answer, 204. Whatever is to be answered otherwise goes the way of all requests, so that there is one place
that says how: what is not for this route, may not be asked, is too large or too slow, and what was refused with the
error it was refused with.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from httptools import HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from aiops.sources._write_headers import Written
from aiops.web.intake import Intake

REFUSED = "aiops.refused"
"""Where the scope of a request has the error that its body was refused with."""

Direct = Callable[[bytes | memoryview, Mapping[str, str]], Written]
"""As `Backend.direct_write`."""

_ROOM_BYTES = 1 << 18
"""Of the bytes of one read; chosen: uvloop's own, and more than a usual body has."""

_HEAD_END = b"\r\n\r\n"
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
    room : what every connection reads into, one after the other
    """

    path: str
    write: Direct
    permitted: Callable[[Mapping[str, str]], bool]
    intake: Intake
    limit_bytes: int
    head: bytes
    counted: Callable[[], None]
    room: bytearray = field(default_factory=lambda: bytearray(_ROOM_BYTES))

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


class ShortWriteProtocol(asyncio.BufferedProtocol):
    """What a connection tells, told to the protocol below.

    The loop reads into one room that stays in the cache, where it would make an object for the bytes of each read.
    """

    def __init__(self, *args: Any, short: ShortWrite, **options: Any) -> None:
        self._ways, self._room = _Ways(*args, short=short, **options), short.room

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A sender is there."""
        self._ways.connection_made(transport)  # type: ignore[arg-type]

    def connection_lost(self, exc: Exception | None) -> None:
        """It has gone."""
        self._ways.connection_lost(exc)

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002 - the loop's
        """Where to read into."""
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes were read."""
        self._ways.read(nbytes)

    def pause_writing(self) -> None:
        """The sender does not read its answers."""
        self._ways.pause_writing()

    def resume_writing(self) -> None:
        """It does again."""
        self._ways.resume_writing()


class _Ways(HttpToolsProtocol):
    """uvicorn's protocol, with the short way before it.

    A request that lies whole in the room is shown to the parser as far as its headers go, and its body is read where it
    lies. The parser, which waits for that body, is replaced.

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
        self._declared_bytes = -1  # -1 = the size of the body is not known before it ends
        self._more: tuple[object, bytes] = (None, b"")
        self._view: Any = memoryview(short.room)  # the parser takes any buffer

    def read(self, size_bytes: int) -> None:
        """Take bytes from the room."""
        begin = 0
        if self._body is None and (end := self._short.room.find(_HEAD_END, 0, size_bytes)) >= 0:
            begin = end + len(_HEAD_END)
            super().data_received(self._view[:begin])
            if self.transport.is_closing():
                return
        # Nothing of the body was seen yet if it is empty: so it begins where the parser has stopped.
        if self._body == b"" and self._declared_bytes == size_bytes - begin:
            if self._answered(self._view[begin:size_bytes]):
                self.parser = HttpRequestParser(self)
                with suppress(AttributeError):  # older ones have none, as uvicorn knows
                    self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
                return
            self._leave()
        if begin < size_bytes:
            super().data_received(self._view[begin:size_bytes])
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
                size = self._named.get("content-length", "")
                self._declared_bytes = int(size) if size.isdecimal() and "transfer-encoding" not in self._named else -1
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
        if not self._answered(bytes(self._body)):
            self._leave()
            super().on_message_complete()

    def _answered(self, body: bytes | memoryview) -> bool:
        """Answer a request that has come whole, and tell whether that was possible."""
        self._release()
        if not self._short.fits(len(body)):
            return False
        try:
            written = self._short.write(body, self._named)
        except Exception as error:  # noqa: BLE001 - raised again on the way of all requests, which knows what to say
            self.scope[REFUSED] = error  # type: ignore[literal-required]
            return False
        self._body = None
        self.transport.write(self._short.answer(written, self._default_lines()))
        self.on_response_complete()
        return True

    def _default_lines(self) -> bytes:
        """Headers of uvicorn's own; there are others every second."""
        headers = self.server_state.default_headers
        if self._more[0] is not headers:
            self._more = (headers, lines_of(headers))
        return self._more[1]

    def _hold(self, size_bytes: int) -> None:
        """Hold what has come of a body until the next read, if there is room for all of it."""
        self._release(waits=True)
        if not self._short.fits(max(size_bytes, self._declared_bytes)):
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
