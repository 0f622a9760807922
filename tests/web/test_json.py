"""Small bodies of JSON: what is wrong with one is said by field, and nothing is done."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from aiops.silencing import Silencing
from aiops.web._base import WebSettings
from aiops.web.app import build_app
from tests._verdict_world import World
from tests.test_silencing import NOW_MS, Keeper
from tests.web.conftest import INCIDENT, FakeBackend

SILENCES = "/api/v1/silences"
EXPIRE = "/api/v1/silences/s1/expire"
GIVE = f"/api/v1/incidents/{INCIDENT.id}/verdict"
UNDO = "/api/v1/verdicts/v1/undo"
REPLAY = "/api/v1/dead-letters/replay"
DEEP = b"[" * 8000


@pytest.fixture
def post(backend: FakeBackend) -> Any:
    """Posts to an application, and holds that what is refused leaves nothing behind."""
    backend.book = World(INCIDENT).book
    keeper = Keeper()
    app = build_app(backend, WebSettings(), silencing=Silencing({"am": keeper}, backend.incident, clock=lambda: NOW_MS))
    here = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")

    def refused(path: str, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, str]:
        answer = asyncio.run(here.post(path, content=body, headers=headers))
        assert backend.replayed == []
        assert backend.book.all() == []
        assert keeper.kept == []
        return answer.status_code, answer.json()["error"]

    return refused


@pytest.mark.parametrize("path", [SILENCES, EXPIRE, GIVE, UNDO, REPLAY])
def test_a_body_that_is_none_is_refused_at_every_route(post: Any, path: str) -> None:
    assert post(path, b"[]") == (400, "body: expected `object`, got `array`")
    assert post(path, b'{"whom": "ann"}')[1].startswith("whom: no such field; there are ")
    assert post(path, b'{"x": ' + DEEP) == (400, "body: JSON is nested too deeply")
    assert post(path, b'{"\xff": 1}')[1].startswith("body: not valid JSON: ")
    assert post(path, b"{}", {"content-encoding": "gzip"}) == (415, "Content-Encoding: send the body uncompressed")
    limit = 2**20 if path == REPLAY else 16 * 1024
    assert post(path, b" " * (limit + 1)) == (413, f"body: must be at most {limit} bytes")


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        (SILENCES, b'{"duration": 60, "who": "ann"}', "duration: no such field; there are incident, matchers, dur"),
        (SILENCES, b'{"duration_s": "2h", "who": "ann"}', "duration_s: expected `float`, got `str`"),
        (SILENCES, b'{"matchers": ["a=b", 3], "who": "ann"}', "matchers[1]: expected `str`, got `int`"),
        (GIVE, b'{"answer": 1, "who": "ann"}', "answer: expected `str`, got `int`"),
        (REPLAY, b'{"key": ["k1"]}', "key: no such field; there are keys"),
        (REPLAY, b'{"keys": 3}', "keys: expected `array`, got `int`"),
    ],
)
def test_the_field_is_named_that_is_wrong(post: Any, path: str, body: bytes, said: str) -> None:
    status, error = post(path, body)
    assert (status, error[: len(said)]) == (400, said)
