"""A real HTTP server that gives recorded answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@dataclass
class Peer:
    """What the server answers, and what it was asked."""

    url: str = ""
    status: int = 200
    body: bytes = b""
    length: int | None = None
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def peer() -> Iterator[Peer]:
    said = Peer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            said.asked.append(self.path + self.rfile.read(size).decode())
            self.send_response(said.status)
            self.send_header("Content-Length", str(len(said.body) if said.length is None else said.length))
            self.end_headers()
            self.wfile.write(said.body)

        do_POST = do_GET  # noqa: N815 - the library calls it so

        def log_message(self, *_: object) -> None:
            """Keep the test output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    said.url = f"http://127.0.0.1:{server.server_port}"
    yield said
    server.shutdown()
    server.server_close()
    thread.join()
