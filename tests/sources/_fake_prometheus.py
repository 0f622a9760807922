"""A strict stand-in for a Prometheus server on a real local socket.

It refuses what Prometheus refuses (too many points, missing fields) and what we promise never to do (GET ranges,
unaligned steps). When scripted, it answers in every awkward way a server, proxy or network is known to.
"""

from __future__ import annotations

import gzip
import json
import socket
import struct
import threading
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

POINTS = 11_000

Series = tuple[dict[str, str], Callable[[float], str | None]]
"""Labels, and the text of the value at a time in seconds (None: no sample)."""


@dataclass(frozen=True)
class Trouble:
    """One scripted answer. `kind` says what happens to it on the way."""

    status: int = 200
    body: bytes = b""
    kind: str = "answer"  # answer | reset | hang | cut
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Request:
    path: str
    params: dict[str, str]
    headers: dict[str, str]


@dataclass
class FakePrometheus:
    """Serves `series[query]`; each entry of `script[query]` (or `script["*"]`) spoils one request."""

    series: dict[str, list[Series]] = field(default_factory=dict)
    script: dict[str, deque[Trouble]] = field(default_factory=lambda: defaultdict(deque))
    extra: dict[str, object] = field(default_factory=dict)
    always: dict[str, Trouble] = field(default_factory=dict)
    newest_s: float = float("inf")
    late: dict[str, float] = field(default_factory=dict)
    max_points: int = POINTS
    max_cells: float = float("inf")
    gzip: bool = False
    date: str = ""
    requests: list[Request] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def asked(self, path: str = "/api/v1/query_range") -> list[Request]:
        return [r for r in self.requests if r.path == path]

    def trouble(self, query: str) -> Trouble | None:
        for name in (query, "*"):
            if self.script.get(name):
                return self.script[name].popleft()
        return self.always.get(query) or self.always.get("*")

    def answer(self, path: str, params: dict[str, str]) -> tuple[int, object]:
        if path == "/api/v1/query_range":
            return self.query_range(params)
        if path == "/api/v1/query":
            return self.query(params)
        if path.startswith("/api/v1/label/"):
            name = unquote(path.split("/")[4])
            return 200, sorted({ls[name] for all_ in self.series.values() for ls, _ in all_ if name in ls})
        return 404, "404 page not found"

    def query_range(self, params: dict[str, str]) -> tuple[int, object]:
        missing = {"query", "start", "end", "step"} - set(params)
        if missing:
            return 400, f"missing {sorted(missing)}"
        start, end, step = (round(float(params[k]) * 1000) for k in ("start", "end", "step"))
        if start % step or end % step or end < start:
            return 400, f"not aligned: {params}"
        if (end - start) / step > self.max_points:
            return (
                400,
                "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution",
            )
        if params["query"] not in self.series:
            return 400, 'invalid parameter "query": 1:1: parse error: unexpected character'
        found = self.series[params["query"]]
        if len(found) * (end - start + step) / step > self.max_cells:
            return 422, "query processing would load too many samples into memory in query execution"
        newest = self.newest_s - self.late.get(params["query"], 0.0)
        times = [ms / 1000 for ms in range(start, end + 1, step) if ms / 1000 <= newest]
        result = [{"metric": ls, "values": [[t, v] for t in times if (v := f(t)) is not None]} for ls, f in found]
        return 200, {"resultType": "matrix", "result": [one for one in result if one["values"]]}

    def query(self, params: dict[str, str]) -> tuple[int, object]:
        query, time_s = params["query"], float(params.get("time", "0"))
        if query.startswith("count("):
            count = len(self.series.get(query[6:-1], []))
            return 200, {
                "resultType": "vector",
                "result": [{"metric": {}, "value": [time_s, str(count)]}] if count else [],
            }
        if query == "scalar(1)":
            return 200, {"resultType": "scalar", "result": [time_s, "1"]}
        if query not in self.series:
            return 400, 'parse error at char 3: it\'s "bad"'
        result = [{"metric": ls, "value": [time_s, v]} for ls, f in self.series[query] if (v := f(time_s)) is not None]
        return 200, {"resultType": "vector", "result": result}


def serve(fake: FakePrometheus) -> Callable[[], None]:
    """Start serving; gives the function that stops it."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 65_536
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            size = int(self.headers.get("Content-Length", "0"))
            form = self.rfile.read(size).decode()
            self._serve({k: v[0] for k, v in parse_qs(urlsplit(self.path).query + "&" + form).items()})

        def do_GET(self) -> None:
            if urlsplit(self.path).path == "/api/v1/query_range":
                self._send(405, b"use POST")
                return
            self._serve({k: v[0] for k, v in parse_qs(urlsplit(self.path).query).items()})

        def _serve(self, params: dict[str, str]) -> None:
            path = urlsplit(self.path).path
            fake.requests.append(Request(path, params, dict(self.headers.items())))
            trouble = fake.trouble(params.get("query", path))
            if trouble is None:
                status, data = fake.answer(path, params)
                good = {"status": "success", "data": data, **fake.extra}
                bad = {"status": "error", "errorType": "bad_data", "error": data}
                self._send(status, json.dumps(good if status == 200 else bad, separators=(",", ":")).encode())
            elif trouble.kind == "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
            elif trouble.kind == "hang":
                fake.closing.wait()
                self.close_connection = True
            elif trouble.kind == "cut":
                self._send(trouble.status, trouble.body, promised=len(trouble.body) + 100)
                self.close_connection = True
            else:
                self._send(trouble.status, trouble.body, headers=trouble.headers)

        def _send(
            self, status: int, body: bytes, *, promised: int = 0, headers: tuple[tuple[str, str], ...] = ()
        ) -> None:
            self.send_response_only(status)
            if fake.date:
                self.send_header("Date", fake.date)
            for name, value in headers:
                self.send_header(name, value)
            if fake.gzip:
                body = gzip.compress(body)
                self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(promised or len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Keep the test's output clean."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that went away is what several tests are about."""

    server = Server(("127.0.0.1", 0), Handler)
    fake.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()

    def stop() -> None:
        fake.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()

    return stop
