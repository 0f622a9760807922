"""Buttons over HTTP: signed by Slack, fresh, and written down before they are answered."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from urllib.parse import urlencode

import httpx
import pytest

from aiops.errors import InputError, StoreError
from aiops.secret import Secret
from aiops.web._base import WebSettings
from aiops.web.app import build_app
from aiops.web.slack import MOST_BYTES, PATH, SlackApp
from tests.web.conftest import FakeBackend

NOW_S = 1_700_000_000
PAYLOAD = {"type": "block_actions", "user": {"id": "U0ANNA"}, "actions": [{"action_id": "aiops:noise"}]}
FORM = urlencode({"payload": json.dumps(PAYLOAD)}).encode()


class Office:
    """Takes payloads, or fails as told."""

    def __init__(self):
        self.got: list[object] = []
        self.refused: list[str] = []
        self.fault: Exception | None = None

    async def take(self, payload):
        if self.fault is not None:
            raise self.fault
        self.got.append(payload)

    async def audit(self, line):
        self.refused.append(line)


class Web:
    """The application with one app of Slack's, at a time that is moved by hand."""

    def __init__(self):
        self.office, self.now_s = Office(), float(NOW_S)
        self.app = build_app(
            FakeBackend(),
            WebSettings(token=Secret("api-token")),
            clock=lambda: self.now_s,
            slack=[SlackApp(Secret("s1gn1ng"), self.office.take, self.office.audit)],
        )

    def post(self, body=FORM, headers=None):
        return asyncio.run(sent(self.app, body, signed(body) if headers is None else headers))


async def sent(app, body, headers):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        return await client.post(PATH, content=body, headers=headers)


def signed(body=FORM, at_s=NOW_S, key="s1gn1ng", **more):
    digest = hmac.new(key.encode(), f"v0:{at_s}:".encode() + body, hashlib.sha256).hexdigest()
    return {
        "x-slack-request-timestamp": str(at_s),
        "x-slack-signature": f"v0={digest}",
        "content-type": "application/x-www-form-urlencoded",
        **more,
    }


@pytest.fixture
def web():
    return Web()


def test_a_signed_button_is_taken_without_a_token_of_ours(web):
    answer = web.post()
    assert (answer.status_code, answer.content) == (200, b"")
    assert web.office.got == [PAYLOAD]


def without(name):
    return {key: value for key, value in signed().items() if key != name}


@pytest.mark.parametrize(
    "headers",
    [
        signed(key="other"),
        signed(at_s=NOW_S - 301),
        signed(at_s=NOW_S + 301),
        signed(b"payload=%7B%7D"),
        without("x-slack-signature"),
        without("x-slack-request-timestamp"),
        signed() | {"x-slack-request-timestamp": "soon"},
        signed() | {"x-slack-request-timestamp": "9" * 400},
        signed() | {"x-slack-signature": "v0=" + "0" * 64},
    ],
)
def test_what_slack_did_not_sign_just_now_is_refused_with_an_audit_line(web, headers):
    answer = web.post(headers=headers)
    assert answer.status_code == 401
    assert answer.json() == {"error": "the signature is missing, wrong or older than five minutes"}
    assert web.office.got == []
    assert web.office.refused == ["a request from 127.0.0.1 was not signed by Slack or too old, it was refused"]


def test_the_signature_is_of_the_body_as_it_came(web):
    other = FORM + b"&x=1"
    assert (web.post(other, signed(FORM))).status_code == 401
    assert (web.post(other, signed(other))).status_code == 200


def test_a_request_five_minutes_old_is_taken(web):
    assert (web.post(headers=signed(at_s=NOW_S - 300))).status_code == 200


def test_forged_requests_do_not_fill_the_audit(web):
    for _ in range(5):
        web.post(headers={})
    assert len(web.office.refused) == 1
    web.now_s += 60
    web.post(headers={})
    assert len(web.office.refused) == 2


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        (b"{}", "application/json", "Content-Type: expected application/x-www-form-urlencoded"),
        (b"payload=%7B", "application/x-www-form-urlencoded", "payload: is no JSON"),
        (b"other=1", "application/x-www-form-urlencoded", "payload: expected one form field"),
        (b"payload=1&payload=2", "application/x-www-form-urlencoded", "payload: expected one form field"),
        (b"&".join(b"a%d=1" % n for n in range(12)), "application/x-www-form-urlencoded", "body: is no form"),
    ],
)
def test_what_is_signed_but_no_button_is_refused_for_good(web, body, kind, said):
    answer = web.post(body, signed(body) | {"content-type": kind})
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(said)


def test_bytes_that_are_no_text_are_signed_by_nobody(web):
    assert (web.post(b"\xff\xfe", signed(b"\xff\xfe"))).status_code == 401


def test_a_body_over_the_limit_is_refused_before_it_is_looked_at(web):
    body = b"payload=" + b"a" * MOST_BYTES
    assert (web.post(body, signed(body))).status_code == 413


def test_slacks_check_of_the_certificate_is_answered(web):
    assert (web.post(b"ssl_check=1", signed(b"ssl_check=1"))).status_code == 200
    assert web.office.got == []


@pytest.mark.parametrize(
    ("fault", "status"), [(StoreError("full"), 503), (TimeoutError(), 503), (InputError("x"), 400)]
)
def test_what_could_not_be_written_down_is_answered_so_that_slack_sends_it_again(web, fault, status):
    web.office.fault = fault
    assert (web.post()).status_code == status


def test_without_an_app_there_is_no_such_route():
    app = build_app(FakeBackend(), WebSettings())
    assert asyncio.run(sent(app, FORM, signed())).status_code == 404
