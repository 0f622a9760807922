"""A write is answered in the read that completes it, with what the way of all requests would have answered."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from aiops.errors import InputError, Overloaded, TooLarge, UnsupportedMedia
from aiops.secret import Secret
from aiops.telemetry import Telemetry
from aiops.web._base import WebSettings
from aiops.web.app import build_app
from aiops.web.short_write import ShortWriteProtocol

V2 = "Content-Type: application/x-protobuf;proto=io.prometheus.write.v2.Request\r\n"


class Line(asyncio.Transport):
    """The other end of a connection: what was answered on it."""

    def __init__(self) -> None:
        super().__init__()
        self.said, self.is_over = b"", False

    def write(self, data: bytes) -> None:  # type: ignore[override]
        self.said += data

    def close(self) -> None:
        self.is_over = True

    def is_closing(self) -> bool:
        return self.is_over

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Connection:
    """A connection to an application, without a socket."""

    def __init__(
        self, backend: Any, telemetry: Telemetry | None = None, path: str | None = None, **settings: Any
    ) -> None:
        app = build_app(backend, WebSettings(**settings), telemetry=telemetry)
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", ws="none")
        config.load()
        self.state, self.line = ServerState(), Line()
        short = app.state.short_write
        self.short = short = short if path is None else replace(short, path=path)
        self.end = ShortWriteProtocol(config=config, server_state=self.state, app_state={}, short=short)
        self.end.connection_made(self.line)

    def send(self, *parts: bytes) -> bytes:
        """What has been answered when nothing more comes of these bytes by itself, without the date."""

        for part in parts:
            self.end.get_buffer(-1)[: len(part)] = part
            self.end.buffer_updated(len(part))
        return re.sub(rb"date: [^\r]*\r\n", b"", self.line.said)

    async def later(self) -> bytes:
        """The same after all that goes on in the loop."""
        while self.state.tasks:
            await asyncio.gather(*self.state.tasks)
        return self.send()


def request(body: bytes = b"xyz", more: str = "", method: str = "POST", path: str = "/api/v1/write") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n{more}Content-Length: {len(body)}\r\n\r\n".encode() + body


def answers(backend: Any, requests: Sequence[bytes], **settings: Any) -> tuple[bytes, bytes, bool]:
    """All answers on one connection, what was counted, and whether all had been said at once."""

    async def story() -> tuple[bytes, bytes, bool]:
        telemetry = Telemetry()
        connection = Connection(backend, telemetry, **settings)
        at_once = connection.send(*requests)
        said = await connection.later()
        counts = re.findall(rb"^aiops_http_requests_total.* [1-9].*$", telemetry.render(), re.MULTILINE)
        return said, b"\n".join(counts), at_once == said

    return asyncio.run(story())


def test_a_write_that_comes_whole_is_answered_at_once(backend: Any) -> None:
    said, counted, at_once = answers(backend, [request(more="X-Twice: a\r\nx-twice: b\r\n")])
    assert at_once
    assert said.startswith(b"HTTP/1.1 204 No Content\r\n")
    assert b"x-frame-options: DENY\r\n" in said
    assert said.endswith(b"\r\n\r\n")
    assert counted == b'aiops_http_requests_total{endpoint="write",result="ok"} 1.0'
    ((body, headers),) = backend.written
    assert (body, headers["x-twice"], headers["content-length"]) == (b"xyz", "a", "3")


@pytest.mark.parametrize("cut", [1, 40, -3, -1])
@pytest.mark.parametrize(
    "case",
    [
        (None, request(), {}, 204),
        (None, request(more=V2), {}, 204),
        (None, request(more="Content-Type: text/plain\r\n"), {}, 415),
        (UnsupportedMedia("no"), request(), {}, 415),
        (InputError("wrong for good"), request(), {}, 400),
        (TooLarge("too many series"), request(), {}, 400),
        (Overloaded("behind"), request(), {}, 503),
        (RuntimeError("our own mistake"), request(), {}, 500),
        (None, request(b"x" * 101), {"max_write_bytes": 100}, 400),
        (None, request(b"x" * 101), {"max_held_bytes": 100}, 503),
        (None, request(), {"token": Secret("s3cret")}, 401),
        (None, request(more="Authorization: Bearer s3cret\r\n"), {"token": Secret("s3cret")}, 204),
        (None, request(more="Sec-Fetch-Site: cross-site\r\n"), {}, 403),
        (None, request(method="PUT"), {}, 405),
        (None, request(path="/api/v1/write?x=1"), {}, 204),
        (None, request(path="/api/v1/other"), {}, 404),
        (None, request(more="Connection: close\r\n"), {}, 204),
    ],
)
def test_the_answer_and_the_counts_are_the_same_on_both_ways(
    backend: Any,
    case: tuple[Exception | None, bytes, dict[str, Any], int],
    cut: int,
) -> None:
    fail, sent, settings, status = case
    backend.fail = fail
    long, counted, at_once = answers(backend, [sent], path="/nothing/is/short", **settings)
    assert not at_once
    taken = list(backend.written)
    for parts in ([sent], [sent[:cut], sent[cut:]]):
        backend.written.clear()
        short, counted_again, _ = answers(backend, parts, **settings)
        assert short.startswith(b"HTTP/1.1 %d " % status)
        assert sorted(short.lower().split(b"\r\n")) == sorted(long.lower().split(b"\r\n"))
        assert (counted_again, backend.written) == (counted, taken)


def test_a_write_in_parts_is_answered_with_the_last_of_them(backend: Any) -> None:
    sent = request(b"some bytes in many parts")
    said, _, at_once = answers(backend, [sent[i : i + 1] for i in range(len(sent))])
    assert at_once
    assert said.startswith(b"HTTP/1.1 204 ")
    assert backend.written[0][0] == b"some bytes in many parts"


def test_what_is_held_of_a_body_is_counted_and_no_more_than_there_is_room_for(backend: Any) -> None:
    async def story() -> None:
        connection = Connection(backend, max_held_bytes=20)
        intake = connection.short.intake
        connection.send(request(b"x" * 12)[:-4])
        assert intake.held_bytes == 8
        connection.send(b"xxx")
        assert intake.held_bytes == 11
        assert connection.send(b"x").startswith(b"HTTP/1.1 204 ")
        assert intake.held_bytes == 0
        connection.send(request(b"x" * 30)[:-4])
        assert b" 503 " in await connection.later()
        assert intake.held_bytes == 0

    asyncio.run(story())


def test_a_body_that_does_not_come_is_refused_after_a_while(backend: Any) -> None:
    async def story() -> bytes:
        connection = Connection(backend, body_timeout_s=0.02)
        connection.send(request()[:-1])
        await asyncio.sleep(0.05)
        assert connection.short.intake.held_bytes == 0
        return await connection.later()

    said = asyncio.run(story())
    assert said.startswith(b"HTTP/1.1 503 ")
    assert b"did not arrive within 0.02 s" in said


def test_a_body_that_is_cut_off_is_counted_as_on_the_way_of_all_requests(backend: Any) -> None:
    async def story(path: str | None) -> tuple[bytes, int]:
        telemetry = Telemetry()
        connection = Connection(backend, telemetry, path=path)
        connection.send(request()[:-1])
        connection.line.close()
        connection.end.connection_lost(None)
        await connection.later()
        counts = re.findall(rb"^aiops_http_requests_total.* [1-9].*$", telemetry.render(), re.MULTILINE)
        return b"\n".join(counts), connection.short.intake.held_bytes

    short, long = asyncio.run(story(None)), asyncio.run(story("/nothing/is/short"))
    assert short == long
    assert short[1] == 0


def test_a_body_under_way_is_taken_when_the_server_ends(backend: Any) -> None:
    async def story() -> bytes:
        connection = Connection(backend)
        connection.send(request()[:-1])
        connection.end._ways.shutdown()
        assert not connection.line.is_over
        connection.send(request()[-1:])
        said = await connection.later()
        assert connection.line.is_over
        return said

    assert asyncio.run(story()).startswith(b"HTTP/1.1 204 ")
    assert len(backend.written) == 1


def test_requests_on_one_connection_are_answered_in_order_whatever_their_ways(backend: Any) -> None:
    ready = request(b"", method="GET", path="/-/ready")
    said, _, _ = answers(backend, [request() + ready + request() + request(), request()[:-1], request()[-1:] + ready])
    statuses = [int(status) for status in re.findall(rb"HTTP/1.1 (\d+) ", said)]
    assert statuses == [204, 200, 204, 204, 204, 200]
    assert len(backend.written) == 4


def test_a_chunked_body_is_put_together(backend: Any) -> None:
    head = b"POST /api/v1/write HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    answers(backend, [head + b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"])
    assert backend.written[0][0] == b"abc"


def test_a_backend_that_has_to_wait_has_no_short_way(backend: Any) -> None:
    backend.direct_write = None
    assert build_app(backend, WebSettings()).state.short_write is None


@pytest.mark.parametrize("more", [b"", b"and more"])
def test_what_is_no_request_is_answered_once_and_the_connection_closed(backend: Any, more: bytes) -> None:
    for parts in ([request(), b"\x00\x01 no request\r\n\r\n" + more], [request() + b"\x00 none\r\n\r\n" + more]):
        said, _, _ = answers(backend, parts)
        assert re.findall(rb"HTTP/1.1 (\d+) ", said) == [b"204", b"400"]


def test_bodies_that_look_like_headers_are_bodies(backend: Any) -> None:
    body = request(b"inner") + b"\r\n\r\n"
    sent = request(body)
    for cut in (5, len(sent) - len(body), len(sent) - 8, len(sent) - 4):
        for path in (None, "/nothing/is/short"):
            said, _, _ = answers(backend, [sent[:cut], sent[cut:], sent + sent], path=path)
            assert re.findall(rb"HTTP/1.1 (\d+) ", said) == [b"204"] * 3
    assert {taken for taken, _ in backend.written} == {body}
    assert len(backend.written) == 3 * 4 * 2
