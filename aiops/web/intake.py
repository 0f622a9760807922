"""Bodies of requests, read within limits.

Rule 1: a body over its limit is refused before it is decompressed or parsed.
Rule 2: all bodies together stay under a limit; beyond it senders are told to come again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import Request

from aiops.errors import Overloaded, TooLarge, UnsupportedMedia

SMALL_BYTES = 16 * 1024
"""Limit of a body that only says what is to be done; chosen: a note of a thousand characters fits many times."""


class Intake:
    """Counts what is held of requests under way."""

    def __init__(self, max_held_bytes: int, timeout_s: float) -> None:
        self.held_bytes = 0
        self.timeout_s = timeout_s
        self._max_held_bytes = max_held_bytes

    def has_room(self, size_bytes: int) -> bool:
        """Whether so much more may be held."""
        return self.held_bytes + size_bytes <= self._max_held_bytes

    def too_slow(self) -> Overloaded:
        """What a sender is told whose body did not arrive in time."""
        return Overloaded(f"the body did not arrive within {self.timeout_s:g} s")

    @asynccontextmanager
    async def body(self, request: Request, limit_bytes: int) -> AsyncIterator[bytes]:
        """The body of a request, counted as held until the block ends.

        Raises
        ------
        TooLarge : over `limit_bytes`
        Overloaded : too much is held already, or the sender was too slow
        starlette.requests.ClientDisconnect : the sender has gone
        """
        chunks = list[bytes]()
        size_bytes = 0
        try:
            try:
                async with asyncio.timeout(self.timeout_s):
                    async for chunk in request.stream():
                        size_bytes += len(chunk)
                        if size_bytes > limit_bytes:
                            # The server reads on after our answer: cut off, a sender would try the same for ever.
                            raise TooLarge(f"body: must be at most {limit_bytes} bytes")
                        if chunk:  # the last one is empty, and joining one chunk copies nothing
                            chunks.append(chunk)
                            self._hold(len(chunk))
            except TimeoutError:
                raise self.too_slow() from None
            yield b"".join(chunks)
        finally:
            self.held_bytes -= sum(map(len, chunks))

    def _hold(self, size_bytes: int) -> None:
        self.held_bytes += size_bytes
        if self.held_bytes > self._max_held_bytes:
            raise Overloaded("too many requests at once")


def refuse_encoded(request: Request) -> None:
    """Raise UnsupportedMedia for a compressed body where none is read."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise UnsupportedMedia("Content-Encoding: send the body uncompressed")
