"""The other end of Socket Mode: one WebSocket at a time, tickets good for once, envelopes to be acked."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import queue
import socket
import struct
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10


class Sockets:
    """`acked` gets the id of each envelope that was acknowledged, `opened` a word for each connection."""

    def __init__(self) -> None:
        self.acked: queue.Queue[str] = queue.Queue()
        self.opened: queue.Queue[str] = queue.Queue()
        self.refused = 0
        self._tickets: set[str] = set()
        self._numbers = itertools.count(1)
        self._request: BaseHTTPRequestHandler | None = None
        self._sending = threading.Lock()

    def address(self, url: str) -> str:
        ticket = f"secret-ticket-{next(self._numbers)}"
        self._tickets.add(ticket)
        return url.replace("http://", "ws://").replace("/api/", f"/socket?ticket={ticket}")

    def send(self, payload: object, kind: str = "interactive", envelope: str = "") -> str:
        """Deliver something; its envelope."""
        name = envelope or f"envelope-{next(self._numbers)}"
        self._frame(_TEXT, json.dumps({"type": kind, "envelope_id": name, "payload": payload}).encode())
        return name

    def disconnect(self) -> None:
        """Slack refreshes the connection."""
        self._frame(_TEXT, json.dumps({"type": "disconnect", "reason": "refresh_requested"}).encode())

    def end(self) -> None:
        """The connection breaks off."""
        request, self._request = self._request, None
        if request is not None:
            # The client may have gone before us.
            with suppress(OSError):
                request.connection.shutdown(socket.SHUT_RDWR)

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        ticket = parse_qs(urlsplit(request.path).query).get("ticket", [""])[0]
        request.close_connection = True
        if ticket not in self._tickets:
            self.refused += 1
            request.send_error(403)
            return
        self._tickets.remove(ticket)
        digest = hashlib.sha1((request.headers["Sec-WebSocket-Key"] + _GUID).encode()).digest()  # noqa: S324 - RFC 6455
        request.send_response(101)
        request.send_header("Upgrade", "websocket")
        request.send_header("Connection", "Upgrade")
        request.send_header("Sec-WebSocket-Accept", base64.b64encode(digest).decode())
        request.end_headers()
        request.wfile.flush()
        self._request = request
        self._frame(_TEXT, json.dumps({"type": "hello", "num_connections": 1}).encode())
        self.opened.put(ticket)
        try:
            self._listen(request)
        except (OSError, ValueError, struct.error):
            return

    def _listen(self, request: BaseHTTPRequestHandler) -> None:
        while True:
            first, second = request.rfile.read(2)
            size = second & 127
            if size == 126:
                (size,) = struct.unpack("!H", request.rfile.read(2))
            if not second & 128:
                raise ValueError("a client must mask what it sends")
            mask = request.rfile.read(4)
            data = bytes(b ^ mask[i % 4] for i, b in enumerate(request.rfile.read(size)))
            if first & 15 == _PING:
                self._frame(_PONG, data)
            elif first & 15 == _CLOSE:
                return
            elif first & 15 == _TEXT:
                self.acked.put(json.loads(data)["envelope_id"])

    def _frame(self, kind: int, data: bytes) -> None:
        head = bytes([128 | kind]) + (bytes([len(data)]) if len(data) < 126 else b"\x7e" + struct.pack("!H", len(data)))
        with self._sending:
            assert self._request is not None
            self._request.wfile.write(head + data)
            self._request.wfile.flush()
