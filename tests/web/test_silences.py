"""Silences and what people did, over HTTP."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from aiops.audit import Audited
from aiops.silencing import Silencing
from aiops.web._base import WebSettings
from aiops.web.app import build_app
from tests.test_silencing import NOW_MS, Keeper
from tests.web.conftest import INCIDENT


@pytest.fixture
def silenced(backend: Any) -> Any:
    """Asks an application whose Alertmanager is in memory."""
    desk = Silencing({"am": Keeper()}, backend.incident, people=("ann",), clock=lambda: NOW_MS)
    app = build_app(backend, WebSettings(), silencing=desk)
    here = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")

    def ask(method: str, path: str, body: object = None) -> Any:
        return asyncio.run(here.request(method, path, json=body))

    return ask


def test_a_silence_is_made_listed_and_ended(silenced: Any) -> None:
    asked = {"incident": INCIDENT.id, "who": "ann", "duration_s": 600}
    proposed = silenced("POST", "/api/v1/silences", asked | {"propose": True})
    assert (proposed.status_code, proposed.json()["id"]) == (200, "")
    assert silenced("GET", "/api/v1/silences").json() == {"silences": []}
    made = silenced("POST", "/api/v1/silences", asked)
    assert made.status_code == 201
    assert made.json() == proposed.json() | {"id": "s0"}
    assert made.json()["ends_at"] == "2023-11-14T22:23:20Z"
    assert silenced("POST", "/api/v1/silences", asked).status_code == 200
    assert silenced("GET", "/api/v1/silences").json() == {"silences": [made.json()]}
    assert silenced("POST", "/api/v1/silences/s0/expire", {"who": "ann"}).status_code == 200
    assert silenced("GET", "/api/v1/silences").json() == {"silences": []}


def test_who_may_not_and_what_is_wrong_is_answered_so(silenced: Any) -> None:
    for body, status in (
        ({"incident": INCIDENT.id, "who": "eve"}, 403),
        ({"incident": "none", "who": "ann"}, 404),
        ({"who": "ann"}, 400),
        ({"who": 7}, 400),
    ):
        answer = silenced("POST", "/api/v1/silences", body)
        assert (answer.status_code, "error" in answer.json()) == (status, True)
    assert silenced("POST", "/api/v1/silences/s9/expire", {"who": "ann"}).status_code == 404


def test_a_page_shows_silences_and_what_people_did_and_escapes_what_is_from_outside(
    silenced: Any, backend: Any
) -> None:
    assert "Nothing is silenced." in silenced("GET", "/silences").text
    backend.lines = [Audited(NOW_MS, "slack", "ann <b>: noise")]
    silenced("POST", "/api/v1/silences", {"matchers": ["service=<cart>"], "who": "ann", "comment": "<i>"})
    text = silenced("GET", "/silences").text
    assert "service=&#34;&lt;cart&gt;&#34;" in text
    assert "ann, since 14 Nov" in text
    assert "&lt;i&gt;" in text
    assert "slack: ann &lt;b&gt;: noise" in text
    (line,) = silenced("GET", "/api/v1/audit").json()["audit"]
    assert line == {"at": "2023-11-14T22:13:20Z", "via": "slack", "line": "ann <b>: noise"}


def test_without_an_alertmanager_there_are_none(client: Any) -> None:
    here = client()
    assert asyncio.run(here.get("/api/v1/silences")).json() == {"silences": []}
    asked = asyncio.run(here.post("/api/v1/silences", json={"incident": INCIDENT.id, "who": "ann"}))
    assert asked.status_code == 404
