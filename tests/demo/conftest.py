from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cramjam
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

Decoded = dict[tuple[tuple[str, str], ...], list[tuple[int, float]]]


def _write_request() -> type:
    """The message of the remote_write 1.0 specification, built here so that nothing of ours can vouch for itself."""
    kind = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="remote_for_demo.proto", package="demo_check", syntax="proto3")
    for message, fields in {
        "Label": [("name", 1, kind.TYPE_STRING, ""), ("value", 2, kind.TYPE_STRING, "")],
        "Sample": [("value", 1, kind.TYPE_DOUBLE, ""), ("timestamp", 2, kind.TYPE_INT64, "")],
        "TimeSeries": [("labels", 1, kind.TYPE_MESSAGE, "Label"), ("samples", 2, kind.TYPE_MESSAGE, "Sample")],
        "WriteRequest": [("timeseries", 1, kind.TYPE_MESSAGE, "TimeSeries")],
    }.items():
        made = file.message_type.add(name=message)
        for name, number, type_, of in fields:
            label = kind.LABEL_REPEATED if of else kind.LABEL_OPTIONAL
            made.field.add(
                name=name, number=number, type=type_, label=label, type_name=f".demo_check.{of}" if of else None
            )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("demo_check.WriteRequest"))


@pytest.fixture(scope="session")
def decode() -> Callable[[bytes], Decoded]:
    message = _write_request()

    def read(body: bytes) -> Decoded:
        request = message.FromString(bytes(cramjam.snappy.decompress_raw(body)))
        return {
            tuple((x.name, x.value) for x in series.labels): [(s.timestamp, s.value) for s in series.samples]
            for series in request.timeseries
        }

    return read


@dataclass
class Receiver:
    """A service that notes what it is sent and answers as told: `answers` first, then always 204."""

    url: str
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    def bodies(self, path: str) -> list[bytes]:
        return [body for p, _, body in self.requests if p == path]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, headers = noted.answers.pop(0) if noted.answers else (204, {})
            if status < 300:
                noted.requests.append((self.path, dict(self.headers), body))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the name is the base class's
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    noted = Receiver(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield noted
    server.shutdown()
    server.server_close()
    thread.join()
