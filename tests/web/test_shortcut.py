"""A write goes past the router and is answered as if it had not."""

import asyncio
from typing import Any

import httpx
import pytest

from aiops.errors import Overloaded
from aiops.secret import Secret
from aiops.telemetry import Telemetry


def ask(client: httpx.AsyncClient, method: str, path: str = "/api/v1/write", **content: Any) -> httpx.Response:
    return asyncio.run(client.request(method, path, **content))


def test_a_write_is_guarded_and_counted_like_any_other_request(client: Any, backend: Any) -> None:
    telemetry = Telemetry()
    answer = ask(client(telemetry, token=Secret("s3cret")), "POST", content=b"x")
    assert (answer.status_code, backend.written) == (401, [])
    answer = ask(
        client(telemetry, token=Secret("s3cret")), "POST", content=b"x", headers={"Authorization": "Bearer s3cret"}
    )
    assert (answer.status_code, len(backend.written)) == (204, 1)
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["content-security-policy"]
    assert b'aiops_http_requests_total{endpoint="write",result="ok"} 1.0' in telemetry.render()


def test_a_write_that_fails_is_answered_so_that_the_sender_tries_again(client: Any, backend: Any) -> None:
    backend.fail = Overloaded("behind")
    answer = ask(client(), "POST", content=b"x")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    backend.fail = RuntimeError("our own mistake")
    assert ask(client(), "POST", content=b"x").status_code == 500


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_other_methods_are_left_to_the_router(client: Any, method: str) -> None:
    answer = ask(client(), method)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_a_header_of_an_answer_does_not_come_twice(client: Any) -> None:
    answer = ask(client(), "GET", "/")
    names = [name.lower() for name, _ in answer.headers.multi_items()]
    assert len(names) == len(set(names))
