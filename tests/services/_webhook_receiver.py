"""A receiver of notifications that notes what it is told, and when."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Taken:
    """One request that was answered with 200: monotonic seconds, headers in lower case, body."""

    at_s: float
    headers: dict[str, str]
    body: dict[str, Any]


class WebhookReceiver:
    """An HTTP server on a free port of this machine; `taken` grows as requests come."""

    def __init__(self) -> None:
        self.taken: list[Taken] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                size = int(self.headers["Content-Length"])
                text = self.rfile.read(size)
                if len(text) < size:
                    return  # the sender was killed meanwhile: nobody was told
                body = json.loads(text)
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.taken.append(Taken(time.monotonic(), headers, body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the name is the base class's
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/notify"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
