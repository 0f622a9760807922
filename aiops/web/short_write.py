"""The short way for remote_write: a request that has come whole is answered before the loop does anything else.

It gives one answer, 204. Whatever is to be answered otherwise goes the way of all requests, so that there is one place
that says how: what is not for this route, has not come whole, may not be asked or is too large before it was looked
into, and what was refused with the error it was refused with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    head : headers of every answer
    counted : told the status of every answer
    """

    path: str
    write: Direct
    permitted: Callable[[Mapping[str, str]], bool]
    intake: Intake
    limit_bytes: int
    head: tuple[tuple[bytes, bytes], ...]
    counted: Callable[[int], None]

    def takes(self, headers: Mapping[str, str], size_bytes: int) -> bool:
        """Whether a body may be looked into."""
        return size_bytes <= self.limit_bytes and self.intake.has_room(size_bytes) and self.permitted(headers)

    def answer(self, written: Written, more: list[tuple[bytes, bytes]]) -> bytes:
        """The whole answer, counted."""
        own = ((name.encode("latin-1"), value.encode("latin-1")) for name, value in written.headers().items())
        self.counted(204)
        return b"".join([_NO_CONTENT, *(b"%b: %b\r\n" % pair for pair in (*more, *own, *self.head)), b"\r\n"])


class ShortWriteProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with the short way before it.

    The body is held only while the bytes of one read are looked at: timeouts, limits of what is held, and the end of
    the server concern requests that go on after it, and those are uvicorn's.
    """

    def __init__(self, *args: Any, short: ShortWrite, **options: Any) -> None:
        super().__init__(*args, **options)
        self._short, self._path = short, short.path.encode()
        self._chunks: list[bytes] | None = None  # None = the request goes the way of all

    def data_received(self, data: bytes) -> None:
        """Take bytes as they come."""
        super().data_received(data)
        if self._chunks is not None and not self.transport.is_closing():
            self._leave()

    def on_headers_complete(self) -> None:
        """Take the short way if the request may go it."""
        is_first = (self.cycle is None or self.cycle.response_complete) and not self.flow.write_paused
        is_plain = self.url == self._path and self.parser.get_method() == b"POST" and not self.expect_100_continue
        if is_first and is_plain and self.parser.get_http_version() == "1.1" and self.parser.should_keep_alive():
            self._chunks = []
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take some of the body."""
        if self._chunks is None:
            super().on_body(body)
        else:
            self._chunks.append(body)

    def on_message_complete(self) -> None:
        """Answer a request that has come whole."""
        if self._chunks is None:
            super().on_message_complete()
            return
        body, headers = b"".join(self._chunks), self._named()
        if self._short.takes(headers, len(body)):
            try:
                written = self._short.write(body, headers)
            except Exception as error:  # noqa: BLE001 - raised again on the way of all requests, which knows what to say
                self.scope[REFUSED] = error  # type: ignore[literal-required]
            else:
                self._chunks = None
                self.transport.write(self._short.answer(written, self.server_state.default_headers))
                self.on_response_complete()
                return
        self._leave()
        super().on_message_complete()

    def _named(self) -> dict[str, str]:
        """Headers by name; of those that come twice the first counts, as for everybody else."""
        return {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(self.headers)}

    def _leave(self) -> None:
        """Go on on the way of all requests with what has come."""
        chunks, self._chunks = self._chunks or [], None
        super().on_headers_complete()
        for chunk in chunks:
            super().on_body(chunk)
