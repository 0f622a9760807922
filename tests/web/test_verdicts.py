"""Verdicts over HTTP: by programs with JSON, by people with forms."""

from __future__ import annotations

import asyncio
import base64
import re
from typing import Any

import pytest

from aiops.errors import NotPermitted
from aiops.web._forms import HOLDS_S, Forms
from tests._verdict_world import World
from tests.web.conftest import INCIDENT, START_MS

FORM = f"/incidents/{INCIDENT.id}/verdict"
GIVE = f"/api/v1/incidents/{INCIDENT.id}/verdict"
TYPE = {"content-type": "application/x-www-form-urlencoded"}


@pytest.fixture
def world(backend: Any) -> World:
    made = World(INCIDENT, now_ms=START_MS + 240_000)
    backend.book = made.book
    return made


def get(client: Any, path: str, **more: Any) -> Any:
    return asyncio.run(client.get(path, **more))


def post(client: Any, path: str, **more: Any) -> Any:
    return asyncio.run(client.post(path, **more))


def test_a_program_gives_lists_and_undoes_a_verdict(client: Any, world: World) -> None:
    here = client()
    given = post(here, GIVE, json={"answer": "noise", "who": "ann", "note": "again"})
    assert given.status_code == 201
    said = given.json()
    assert (said["incident"], said["answer"], said["who"], said["via"], said["note"]) == (
        INCIDENT.id,
        "noise",
        "ann",
        "api",
        "again",
    )
    assert {c["subject"] for c in said["changes"]} == {
        "payments|latency_p95{route=/pay} up",
        "checkout>payments|requests_rate absent",
        "alert CheckoutSlow of checkout",
    }
    assert said["changes"][0]["before"] == "told"
    assert post(here, GIVE, json={"answer": "noise", "who": "ann"}).status_code == 200
    assert get(here, "/api/v1/verdicts").json()["verdicts"] == [said]
    assert get(here, "/api/v1/verdicts?incident=other").json()["verdicts"] == []
    assert len(get(here, "/api/v1/policy").json()["rules"]) == 3
    undone = post(here, f"/api/v1/verdicts/{said['id']}/undo", json={"who": "bob"})
    assert (undone.status_code, undone.json()["undone_by"]) == (200, "bob")
    assert get(here, "/api/v1/policy").json()["rules"] == []


def test_the_name_of_basic_authentication_is_the_person(client: Any, world: World) -> None:
    from aiops.secret import Secret

    login = {"authorization": "Basic " + base64.b64encode(b"ann:s3cret").decode()}
    given = post(client(token=Secret("s3cret")), GIVE, json={"answer": "real"}, headers=login)
    assert given.json()["who"] == "ann"


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        (GIVE, b'{"answer": "maybe", "who": "ann"}', 400, "answer: must be one of real, noise, expected"),
        (GIVE, b'{"answer": "noise"}', 400, "who: "),
        (GIVE, b"{", 400, "body: "),
        (GIVE, b'{"answer": 1, "who": "ann"}', 400, "answer"),
        (GIVE, b'{"note": "' + b"x" * 100_000 + b'"}', 413, "at most"),
        ("/api/v1/incidents/nope/verdict", b'{"answer": "noise", "who": "ann"}', 404, "no incident 'nope'"),
        ("/api/v1/verdicts/nope/undo", b'{"who": "ann"}', 404, "no verdict 'nope'"),
    ],
)
def test_bad_requests_are_refused_in_words(
    client: Any, world: World, *, path: str, body: bytes, status: int, said: str
):
    answer = post(client(), path, content=body)
    assert answer.status_code == status
    assert said in answer.json()["error"]
    assert world.book.all() == []


def test_a_person_who_may_not_is_answered_403_and_a_full_store_503(client: Any, backend: Any) -> None:
    made = World(INCIDENT, people=("ann",))
    backend.book = made.book
    here = client()
    assert post(here, GIVE, json={"answer": "noise", "who": "eve"}).status_code == 403
    made.shelf.is_full = True
    answer = post(here, GIVE, json={"answer": "noise", "who": "ann"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def seal_of(text: str) -> str:
    found = re.search(r'name="seal" value="([^"]+)"', text)
    assert found
    return found[1]


def test_a_person_sees_what_a_verdict_changes_gives_it_and_undoes_it(client: Any, world: World) -> None:
    here = client()
    assert f'href="{INCIDENT.id}/verdict?answer=noise"' in get(here, f"/incidents/{INCIDENT.id}").text
    asked = get(here, f"{FORM}?answer=noise")
    assert "alert CheckoutSlow of checkout" in asked.text
    assert "told once it lasts" in asked.text
    assert world.book.all() == []
    form = {"seal": seal_of(asked.text), "answer": "noise", "who": "ann", "note": "<b>"}
    sent = post(here, FORM, data=form)
    assert (sent.status_code, sent.headers["location"]) == (303, "../../verdicts")
    assert "noise, says ann" in get(here, f"/incidents/{INCIDENT.id}").text
    page = get(here, "/verdicts").text
    assert "&lt;b&gt;" in page
    verdict = world.book.all()[0].verdict
    undo = post(here, f"/verdicts/{verdict.id}/undo", data={"seal": seal_of(page), "who": "bob"})
    assert undo.status_code == 303
    assert "undone by bob" in get(here, "/verdicts").text


@pytest.mark.parametrize("forged", ["", "1700000245.00", "x.y", "99999999999.00"])
def test_a_form_that_was_not_made_here_is_refused(client: Any, world: World, forged: str) -> None:
    answer = post(client(), FORM, data={"seal": forged, "answer": "noise", "who": "ann"})
    assert answer.status_code == 403
    assert "load its page again" in answer.json()["error"]
    assert world.book.all() == []


def test_a_form_of_one_worker_is_taken_by_another_with_the_same_key_only():
    body = f"seal={Forms(lambda: 0, b'k').seal('/a')}&who=ann".encode()
    assert Forms(lambda: 9, b"k").read("/a", body) == {"who": "ann"}
    with pytest.raises(NotPermitted):
        Forms(lambda: 9).read("/a", body)


def test_the_seal_of_one_form_opens_no_other_and_not_after_a_shift(backend: Any, world: World) -> None:
    now = [1000.0]
    forms = Forms(lambda: now[0])
    body = f"seal={forms.seal('/a')}&who=ann".encode()
    assert forms.read("/a", body) == {"who": "ann"}
    with pytest.raises(NotPermitted):
        forms.read("/b", body)
    with pytest.raises(NotPermitted):
        Forms(lambda: now[0]).read("/a", body)
    now[0] += HOLDS_S + 1
    with pytest.raises(NotPermitted):
        forms.read("/a", body)


def test_what_is_no_form_is_refused(client: Any, world: World) -> None:
    assert post(client(), FORM, content=b"\xff\xfe", headers=TYPE).status_code == 400


def test_a_refused_form_says_why_on_a_page(client: Any, world: World) -> None:
    here = client()
    seal = seal_of(get(here, f"{FORM}?answer=noise").text)
    answer = post(here, FORM, data={"seal": seal, "answer": "noise", "who": ""})
    assert (answer.status_code, "who: must be the name" in answer.text) == (400, True)
    given = world.book.give(INCIDENT.id, "noise", who="ann", via="api").verdict
    seal = seal_of(get(here, "/verdicts").text)
    assert post(here, f"/verdicts/{given.id}/undo", data={"seal": seal, "who": ""}).status_code == 400


def test_another_site_cannot_send_the_form(client: Any, world: World) -> None:
    here = client()
    seal = seal_of(get(here, f"{FORM}?answer=noise").text)
    form = {"seal": seal, "answer": "noise", "who": "ann"}
    assert post(here, FORM, data=form, headers={"sec-fetch-site": "cross-site"}).status_code == 403


def test_the_pages_of_verdicts_say_when_there_is_nothing(client: Any, backend: Any, world: World) -> None:
    assert "No verdict was given yet" in get(client(), "/verdicts").text
    assert get(client(), "/incidents/nope/verdict?answer=noise").status_code == 404
    assert get(client(), f"{FORM}?answer=maybe").status_code == 400
