"""What was not told, over HTTP."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from aiops.model import Notification, Suppressed
from aiops.stores import Outgoing
from tests.web.conftest import INCIDENT, START_MS

HELD = Suppressed("a1", "alert <Slow> of cart", "cart", "repeated", START_MS, START_MS + 60_000, INCIDENT.id, 3)
NOTE = Notification("k1", INCIDENT, "chat", "opened", START_MS)
DEAD = Outgoing(NOTE, 5, 0, "HTTP 404", state="dead")


def get(client: Any, path: str) -> Any:
    return asyncio.run(client.get(path))


def test_suppressed_items_are_listed_by_time_and_incident(client: Any, backend: Any) -> None:
    backend.held_back = [HELD, replace(HELD, item_id="a2", incident_id="", last_ms=START_MS)]
    here = client()
    first, second = get(here, "/api/v1/suppressed").json()["suppressed"]
    assert first == {
        "id": "a1",
        "subject": "alert <Slow> of cart",
        "service": "cart",
        "reason": "repeated",
        "incident": INCIDENT.id,
        "first_at": "2023-11-14T22:13:20Z",
        "last_at": "2023-11-14T22:14:20Z",
        "count": 3,
    }
    assert second["id"] == "a2"
    for query in (f"since={START_MS / 1000 + 1}", "since=2023-11-14T22:14:00Z", f"incident={INCIDENT.id}", "limit=1"):
        assert [one["id"] for one in get(here, f"/api/v1/suppressed?{query}").json()["suppressed"]] == ["a1"]
    assert get(here, "/api/v1/suppressed?limit=0").status_code == 400
    assert get(here, "/api/v1/suppressed?since=soon").status_code == 400


def test_a_page_shows_them_with_their_reasons_and_escapes_what_is_from_outside(client: Any, backend: Any) -> None:
    assert "Nothing was held back." in get(client(), "/suppressed").text
    backend.held_back = [HELD]
    text = get(client(), "/suppressed").text
    assert "alert &lt;Slow&gt; of cart" in text
    assert f'href="incidents/{INCIDENT.id}"' in text
    assert "3 times since" in text


def test_dead_letters_are_listed_and_put_back(client: Any, backend: Any) -> None:
    backend.sent = [DEAD, Outgoing(NOTE)]
    here = client()
    (dead,) = get(here, "/api/v1/dead-letters").json()["dead_letters"]
    assert (dead["key"], dead["receiver"], dead["state"], dead["attempts"], dead["note"]) == (
        "k1",
        "chat",
        "dead",
        5,
        "HTTP 404",
    )
    put = asyncio.run(here.post("/api/v1/dead-letters/replay", json={"keys": ["k1"]}))
    assert (put.status_code, put.json(), backend.replayed) == (202, {"replayed": 1}, [["k1"]])
    assert asyncio.run(here.post("/api/v1/dead-letters/replay")).json() == {"replayed": 7}


@pytest.mark.parametrize("body", [b"{", b'{"keys": 3}', b"\xff"])
def test_what_is_no_list_of_keys_is_refused(client: Any, backend: Any, body: bytes) -> None:
    assert asyncio.run(client().post("/api/v1/dead-letters/replay", content=body)).status_code == 400
    assert backend.replayed == []


def test_the_messages_of_an_incident_are_on_its_page_and_in_the_api(client: Any, backend: Any) -> None:
    backend.sent = [DEAD]
    here = client()
    assert [m["note"] for m in get(here, f"/api/v1/incidents/{INCIDENT.id}/messages").json()["messages"]] == [
        "HTTP 404"
    ]
    assert "given up: HTTP 404" in get(here, f"/incidents/{INCIDENT.id}").text
