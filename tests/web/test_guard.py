import asyncio
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from aiops.secret import Secret
from aiops.web._base import WebSettings
from aiops.web.app import build_app
from aiops.web.guard import Guard


def test_what_is_no_request_passes(backend: Any) -> None:
    to_come = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[str] = []

    async def receive() -> Message:
        return to_come.pop(0)

    async def send(message: Message) -> None:
        sent.append(message["type"])

    asyncio.run(build_app(backend, WebSettings())({"type": "lifespan"}, receive, send))
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_a_mistake_in_the_middle_of_an_answer_breaks_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ZeroDivisionError

    sent: list[Message] = []
    counted: list[tuple[str, int]] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    guard = Guard(broken, token=Secret(""), policy="p", counted=lambda *what: counted.append(what))
    with pytest.raises(ZeroDivisionError):
        asyncio.run(guard({"type": "http", "path": "/", "method": "GET", "headers": []}, receive, send))
    assert [m["type"] for m in sent] == ["http.response.start"]
    assert counted == [("other", 200)]
    assert "request failed endpoint=other" in caplog.text


def test_secrets_are_not_in_the_settings_text() -> None:
    assert "s3cret" not in repr(WebSettings(token=Secret("s3cret"), grafana_secret=Secret("s3cret")))
