from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import logging
from datetime import UTC, datetime

import httpx
import pytest

from aiops.errors import ConfigError, Reject, Retry
from aiops.notifiers import Receipt
from aiops.notifiers._rest import retry_after_s
from aiops.notifiers.checks import Answer, Receiver, check_notifier, example
from aiops.notifiers.webhook import WebhookNotifier
from aiops.secret import Secret
from aiops.web.render import incident_dict

SECRETS = ["t0k3n", "s1gn", "h34der", "p4th", "qu3ry"]


def make(url):
    return WebhookNotifier(
        f"{url}/hooks/p4th?key=qu3ry",
        headers={"X-Extra": "h34der"},
        token=Secret("t0k3n"),
        secret=Secret("s1gn"),
        timeout_s=5,
    )


def test_it_keeps_to_the_contract_of_notifiers():
    check_notifier(make, secrets=SECRETS)


def send(answer=None, notifier=make):
    async def story():
        async with Receiver([answer or Answer()]) as receiver:
            webhook = notifier(receiver.url)
            try:
                await webhook.send(example())
            finally:
                await webhook.close()
            return receiver.requests[0]

    return asyncio.run(story())


def test_the_body_is_the_incident_as_the_api_gives_it():
    request = send()
    body = json.loads(request.body)
    assert request.line == "POST /hooks/p4th?key=qu3ry HTTP/1.1"
    assert body == {
        "version": 1,
        "key": "0123456789ab:opened:hook",
        "reason": "opened",
        "created_at": "2023-11-14T22:14:20Z",
        "incident": json.loads(json.dumps(incident_dict(example().incident))),
    }
    assert body["incident"]["anomalies"][0]["expected"] is None


def test_headers_carry_key_token_signature_and_what_was_asked_for():
    request = send()
    signature = hmac.new(b"s1gn", request.body, hashlib.sha256).hexdigest()
    wanted = {
        "idempotency-key": "0123456789ab:opened:hook",
        "authorization": "Bearer t0k3n",
        "x-extra": "h34der",
        "x-aiops-signature": f"sha256={signature}",
        "content-type": "application/json",
    }
    assert wanted.items() <= request.headers.items()
    plain = send(notifier=WebhookNotifier)
    assert not {"authorization", "x-aiops-signature"} & plain.headers.keys()


def test_a_key_under_way_elsewhere_is_tried_again():
    with pytest.raises(Retry, match=r"^127\.0\.0\.1: HTTP 409$"):
        send(Answer(409))


def test_a_redirect_is_refused_and_says_so():
    with pytest.raises(Reject, match="HTTP 302, redirects are not followed"):
        send(Answer(302, (("Location", "http://127.0.0.1:1/"),)))


@contextlib.asynccontextmanager
async def serving(talk):
    """A server whose one connection is over when this is."""
    over = asyncio.Event()

    async def handle(reader, writer):
        with contextlib.suppress(ConnectionError):
            await talk(reader, writer)
        writer.transport.abort()
        over.set()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server, asyncio.timeout(10):
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        await over.wait()


def test_a_receiver_that_is_silent_is_not_waited_for():
    async def story():
        async with serving(lambda reader, _: reader.read()) as url:
            webhook = WebhookNotifier(url, timeout_s=0.05)
            with pytest.raises(Retry, match="no answer in time"):
                await webhook.send(example())
            await webhook.close()

    asyncio.run(story())


def test_an_endless_answer_is_not_read():
    poured = 0

    async def pour(reader, writer):
        nonlocal poured
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
            poured += 0x4000
            await writer.drain()

    async def story():
        async with serving(pour) as url:
            webhook = WebhookNotifier(url, timeout_s=5)
            assert await webhook.send(example()) == Receipt()
            await webhook.close()

    asyncio.run(story())
    assert poured < 64 * 2**20, "what the sockets hold, not what could be read meanwhile"


def test_a_header_that_cannot_be_sent_is_refused_without_showing_it():
    with pytest.raises(Reject, match="cannot be sent") as caught:
        send(notifier=lambda url: WebhookNotifier(url, headers={"X-Key": "a\nb s3cr3t"}))
    assert "s3cr3t" not in str(caught.value)
    with pytest.raises(ConfigError, match="headers: names and values must be plain text"):
        WebhookNotifier("http://h/", headers={"Höhe": "\ud800"})


@pytest.mark.parametrize("url", ["ftp://h/x", "http://", "no url at all", "http://h:99999999/", "http://[::1"])
def test_an_address_that_is_none_is_refused_without_showing_it(url):
    with pytest.raises(ConfigError, match="webhook: url:") as caught:
        WebhookNotifier(f"{url}?t0k3n")
    assert "t0k3n" not in str(caught.value)


def test_retry_after_may_be_a_date_and_is_bounded():
    now = datetime(2023, 11, 14, 22, 0, tzinfo=UTC)
    assert retry_after_s("Tue, 14 Nov 2023 22:00:30 GMT", now) == 30.0
    assert retry_after_s("Tue, 14 Nov 2023 22:00:30 -0000", now) == 30.0
    assert retry_after_s("Tue, 14 Nov 2023 21:00:30 GMT", now) == 0.0
    assert retry_after_s("9" * 30) == 86_400.0
    assert retry_after_s("") == retry_after_s("²") == 0.0


def test_lines_that_httpx_logs_name_the_host_only(caplog):
    with caplog.at_level(logging.INFO):
        send()
        assert "POST 127.0.0.1" in caplog.text
        logging.getLogger("httpx").info("no arguments")
        logging.getLogger("httpx").info("%(a)s", {"a": httpx.URL("http://h/")})
    assert "p4th" not in caplog.text
