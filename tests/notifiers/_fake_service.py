"""An HTTP service on 127.0.0.1 that a strict fake fills with what it knows, with faults on demand and a rate limit.

Faults are taken one per request, in order:

`answer N`    answers with status N and does nothing
`lost N`      does what was asked and answers with status N (0 = the connection is closed without a word)
`fine`        no fault
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass(frozen=True, slots=True)
class Asked:
    """One request; header names in lower case, `query` with every value of a name, `body` read from JSON."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: Any
    size: int


@dataclass(frozen=True, slots=True)
class Said:
    """An answer."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class FakeService:
    """Base of the fakes: `answer` is theirs.

    Parameters
    ----------
    per_second : requests that are answered in one second of `clock`; the rest gets 429
    clock : seconds
    """

    def __init__(self, *, per_second: int = 1_000_000, clock=lambda: 0.0) -> None:
        self.asked: list[Asked] = []
        self.faults: list[str] = []
        self.limited = 0
        self.port = 0
        self._per_second, self._clock = per_second, clock
        self._second, self._taken = -1, 0
        self._server: asyncio.Server | None = None

    def answer(self, asked: Asked) -> Said:
        """What the service says."""
        raise NotImplementedError

    def too_many(self) -> Said:
        """What the service says to somebody who is too fast."""
        return Said(429, {"message": "Too many requests"}, {"Retry-After": "1"})

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def writes(self) -> list[tuple[str, str]]:
        """Method and path of every request that is no GET."""
        return [(asked.method, asked.path) for asked in self.asked if asked.method != "GET"]

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**24)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            said = self._judged(await _read(reader))
            if said.status:
                writer.write(_raw(said))
                await writer.drain()
        finally:
            writer.close()

    def _judged(self, asked: Asked) -> Said:
        self.asked.append(asked)
        if self._is_too_fast():
            self.limited += 1
            return self.too_many()
        kind, _, status = (self.faults.pop(0) if self.faults else "fine").partition(" ")
        if kind == "answer":
            return Said(int(status), {"message": "a fault on purpose"})
        said = self.answer(asked)
        return Said(int(status), {"message": "a fault on purpose"}) if kind == "lost" else said

    def _is_too_fast(self) -> bool:
        second = int(self._clock())
        self._taken = self._taken + 1 if second == self._second else 1
        self._second = second
        return self._taken > self._per_second


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
    text = await reader.readexactly(int(headers.get("content-length", "0")))
    parts = urlsplit(target)
    body = json.loads(text) if text else None
    return Asked(method, unquote(parts.path), parse_qs(parts.query), headers, body, len(text))


def _raw(said: Said) -> bytes:
    body = b"" if said.body is None else json.dumps(said.body).encode()
    kind = {"Content-Type": "application/json"} if body else {}
    more = {**said.headers, **kind, "Content-Length": str(len(body)), "Connection": "close"}
    head = "".join(f"{name}: {value}\r\n" for name, value in more.items())
    return f"HTTP/1.1 {said.status} Said\r\n{head}\r\n".encode() + body
