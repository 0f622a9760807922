import asyncio
import signal
import socket
from contextlib import suppress
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from aiops.errors import ConfigError
from aiops.web._base import WebSettings
from aiops.web.app import build_app
from aiops.web.server import serve


class Running:
    """A server on a free port of this machine, as a context."""

    def __init__(self, app: Any) -> None:
        self.stop = asyncio.Event()
        self.listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        heard = lambda _, port: self.listening.set_result(port)
        self.task = asyncio.create_task(serve(app, "127.0.0.1", 0, stop=self.stop, listening=heard))

    async def __aenter__(self) -> str:
        return f"http://127.0.0.1:{await self.listening}"

    async def __aexit__(self, *_: object) -> None:
        self.stop.set()
        await self.task


def test_requests_over_a_real_socket_are_answered(backend: Any) -> None:
    async def story() -> None:
        async with Running(build_app(backend, WebSettings())) as url, httpx.AsyncClient(base_url=url) as client:
            assert (await client.get("/-/ready")).status_code == 200
            written = await client.post("/api/v1/write", content=b"\x00" * 3_000_000)
            assert (written.status_code, written.content) == (204, b"")
            assert "server" not in written.headers
            told = await client.post("/api/v1/events", json={"service": "cart"})
            assert told.status_code == 202

    asyncio.run(story())
    assert len(backend.written[0][0]) == 3_000_000
    assert backend.told[0].service == "cart"


def exchange(port: int, size_bytes: int) -> bytes:
    """What a sender sees that sends all of its body before it looks for an answer."""
    head = f"POST /api/v1/write HTTP/1.1\r\nHost: x\r\nContent-Length: {size_bytes}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(head.encode() + b"x" * size_bytes)
        return connection.recv(4096)


def test_a_sender_of_too_much_gets_its_answer_and_not_a_broken_connection(backend: Any) -> None:
    async def story() -> bytes:
        async with Running(build_app(backend, WebSettings(max_write_bytes=4_000_000))) as url:
            return await asyncio.to_thread(exchange, int(url.rsplit(":", 1)[1]), 15_000_000)

    assert asyncio.run(story()).startswith(b"HTTP/1.1 400 ")
    assert backend.written == []


def test_bytes_that_are_no_request_do_not_stop_the_server(backend: Any) -> None:
    async def story() -> None:
        async with Running(build_app(backend, WebSettings())) as url:
            port = int(url.rsplit(":", 1)[1])
            for junk in (b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/1.1\r\nX: " + b"a" * 200_000, b"\r\n\r\n\r\n"):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(junk)
                writer.write_eof()
                # Bytes the server did not read make its closing a reset.
                with suppress(ConnectionResetError):
                    await reader.read()
                writer.close()
            async with httpx.AsyncClient(base_url=url) as client:
                assert (await client.get("/-/healthy")).status_code == 200

    asyncio.run(story())


def test_a_sender_that_goes_away_leaves_nothing_behind(backend: Any) -> None:
    async def story() -> None:
        async with Running(build_app(backend, WebSettings())) as url:
            _, writer = await asyncio.open_connection("127.0.0.1", int(url.rsplit(":", 1)[1]))
            writer.write(b"POST /api/v1/write HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc")
            await writer.drain()
            writer.close()
            await writer.wait_closed()
            async with httpx.AsyncClient(base_url=url) as client:
                assert (await client.get("/-/healthy")).status_code == 200

    asyncio.run(story())
    assert backend.written == []


def slow_app(entered: asyncio.Event, gate: asyncio.Event) -> Starlette:
    async def slow(request: Request) -> PlainTextResponse:
        entered.set()
        await gate.wait()
        return PlainTextResponse("done")

    return Starlette(routes=[Route("/", slow)])


@pytest.mark.parametrize("how", ["stop", "cancel"])
def test_requests_under_way_are_finished_and_no_new_ones_taken(how: str) -> None:
    async def story() -> None:
        entered, gate = asyncio.Event(), asyncio.Event()
        server = Running(slow_app(entered, gate))
        url = f"http://127.0.0.1:{await server.listening}"
        async with httpx.AsyncClient(base_url=url) as client:
            answer = asyncio.create_task(client.get("/"))
            await entered.wait()
            if how == "stop":
                server.stop.set()
            else:
                server.task.cancel()
            await _closed(url)
            gate.set()
            assert (await answer).text == "done"
        done = await asyncio.gather(server.task, return_exceptions=True)
        assert isinstance(done[0], asyncio.CancelledError) == (how == "cancel")

    asyncio.run(story())


async def _closed(url: str) -> None:
    """Return when nobody takes connections there any more."""
    while True:
        try:
            async with httpx.AsyncClient() as fresh:
                await fresh.get(url, timeout=0.05)
        except httpx.ConnectError:
            return
        except httpx.TransportError:
            continue


def test_signals_are_left_to_the_caller(backend: Any) -> None:
    async def story() -> None:
        before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
        async with Running(build_app(backend, WebSettings())) as url, httpx.AsyncClient() as client:
            await client.get(url)
            assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == before

    asyncio.run(story())


def test_a_port_that_is_taken_is_a_clear_error(backend: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"listen: 127.0.0.1:{port}: cannot listen there: Address already in use"):
            asyncio.run(serve(build_app(backend, WebSettings()), "127.0.0.1", port, stop=asyncio.Event()))


def test_a_host_that_is_none_is_a_clear_error(backend: Any) -> None:
    with pytest.raises(ConfigError, match="cannot listen there"):
        asyncio.run(serve(build_app(backend, WebSettings()), "256.0.0.1", 0, stop=asyncio.Event()))
