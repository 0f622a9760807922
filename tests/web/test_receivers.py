import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from aiops.errors import InputError, Overloaded, StoreError, TooLarge, UnsupportedMedia
from aiops.secret import Secret
from aiops.telemetry import Telemetry

ALERTS = {"alerts": [{"status": "firing", "labels": {"alertname": "Slow", "job": "cart"}, "fingerprint": "f"}]}
SIGNATURE = "X-Grafana-Alerting-Signature"


def run(call: Any) -> httpx.Response:
    answer = asyncio.run(call)
    assert isinstance(answer, httpx.Response)
    return answer


def post(client: httpx.AsyncClient, path: str, **content: Any) -> httpx.Response:
    return run(client.post(path, **content))


def test_a_write_is_handed_on_as_it_came_and_answered_with_nothing(client: Any, backend: Any) -> None:
    answer = post(client(), "/api/v1/write", content=b"\x00snappy", headers={"Content-Encoding": "snappy"})
    assert (answer.status_code, answer.content) == (204, b"")
    body, headers = backend.written[0]
    assert body == b"\x00snappy"
    assert headers["content-encoding"] == "snappy"
    # Senders of version 1 report false errors when they see these.
    assert not [name for name in answer.headers if name.startswith("x-prometheus-remote-write")]


def test_a_sender_of_version_2_is_told_how_much_was_read(client: Any) -> None:
    headers = {"Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request"}
    answer = post(client(), "/api/v1/write", content=b"x", headers=headers)
    assert answer.status_code == 204
    told = [
        answer.headers[f"X-Prometheus-Remote-Write-{what}-Written"] for what in ("Samples", "Histograms", "Exemplars")
    ]
    assert told == ["3", "0", "0"]


@pytest.mark.parametrize(
    ("fault", "write_status", "event_status"),
    [
        (InputError("labels: not sorted"), 400, 400),
        (TooLarge("too many samples"), 400, 413),
        (UnsupportedMedia("remote_write 2.0"), 415, 415),
        (Overloaded("behind"), 503, 503),
        (StoreError("disk full"), 503, 503),
    ],
)
def test_a_fault_is_answered_so_that_the_sender_acts_rightly(
    client: Any, backend: Any, fault: Exception, write_status: int, event_status: int
) -> None:
    backend.fail = fault
    written = post(client(), "/api/v1/write", content=b"x")
    told = post(client(), "/webhooks/alertmanager", json=ALERTS)
    assert (written.status_code, told.status_code) == (write_status, event_status)
    assert written.json() == told.json() == {"error": str(fault)}
    assert ("retry-after" in written.headers) == (write_status == 503)


def test_a_mistake_of_ours_is_answered_and_logged_once(
    client: Any, backend: Any, caplog: pytest.LogCaptureFixture
) -> None:
    backend.fail = ZeroDivisionError("secret detail")
    answer = post(client(), "/api/v1/write", content=b"x")
    assert answer.status_code == 500
    assert "secret detail" not in answer.text
    assert [r.getMessage() for r in caplog.records] == ["request failed endpoint=write"]
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(("path", "status"), [("/api/v1/write", 400), ("/api/v1/events", 413)])
def test_a_body_over_the_limit_is_refused_before_anything_looks_at_it(
    client: Any, backend: Any, path: str, status: int
) -> None:
    answer = post(client(max_write_bytes=1000, max_event_bytes=1000), path, content=b"[" * 1001)
    assert answer.status_code == status
    assert answer.json() == {"error": "body: must be at most 1000 bytes"}
    assert backend.written == backend.told == []


def test_a_body_of_the_limit_is_taken(client: Any, backend: Any) -> None:
    assert post(client(max_write_bytes=1000), "/api/v1/write", content=b"x" * 1000).status_code == 204


def test_alerts_of_alertmanager_are_durable_when_they_are_answered(client: Any, backend: Any) -> None:
    answer = post(client(), "/webhooks/alertmanager", json=ALERTS)
    assert answer.status_code == 202
    assert answer.json() == {"ids": [backend.told[0].id], "rejected": {}}
    assert (backend.told[0].service, backend.told[0].time_ms) == ("cart", 1_700_000_245_000)


def test_what_is_left_out_is_said_and_counted(client: Any, backend: Any) -> None:
    telemetry = Telemetry()
    answer = post(client(telemetry), "/webhooks/alertmanager", json=ALERTS | {"truncatedAlerts": 3})
    assert answer.json()["rejected"] == {"truncated by the sender": 3}
    counted = 'aiops_events_rejected_total{reason="truncated by the sender",source="alertmanager"} 3.0'
    assert counted in telemetry.render().decode()


def test_a_payload_without_anything_for_us_is_accepted_and_nothing_is_stored(client: Any, backend: Any) -> None:
    backend.fail = StoreError("would be seen")
    assert post(client(), "/webhooks/alertmanager", json={"alerts": []}).status_code == 202


def test_the_labels_that_name_a_service_can_be_set(client: Any, backend: Any) -> None:
    post(client(service_labels=("alertname",)), "/webhooks/alertmanager", json=ALERTS)
    assert backend.told[0].service == "Slow"


@pytest.mark.parametrize("path", ["/webhooks/alertmanager", "/webhooks/grafana", "/api/v1/events"])
@pytest.mark.parametrize(
    "body", [b"", b"{", b"[" * 100_000, b"\xff\xfe", b'"text"', b'{"alerts":5}', b'{"a":"\\ud800"}']
)
def test_malformed_bodies_are_refused_with_a_reason(client: Any, backend: Any, path: str, body: bytes) -> None:
    answer = post(client(), path, content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert backend.told == []


def test_a_compressed_webhook_is_refused_and_not_misread(client: Any) -> None:
    answer = post(client(), "/webhooks/alertmanager", content=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 415


def test_labels_of_a_megabyte_are_cut(client: Any, backend: Any) -> None:
    alert = {"labels": {"alertname": "A", "service": "s" * 2**20, "x" * 2**20: "y" * 2**20}}
    assert post(client(), "/webhooks/alertmanager", json={"alerts": [alert]}).status_code == 202
    assert sum(len(k) + len(v) for k, v in backend.told[0].labels) < 4096


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_grafana_may_post_or_put(client: Any, backend: Any, method: str) -> None:
    assert run(client().request(method, "/webhooks/grafana", json=ALERTS)).status_code == 202
    assert backend.told[0].source == "grafana"


def test_a_forged_signature_is_refused(client: Any, backend: Any) -> None:
    body = json.dumps(ALERTS).encode()
    good = hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
    site = {"grafana_secret": Secret("s3cret")}
    assert post(client(**site), "/webhooks/grafana", content=body).status_code == 401
    assert post(client(**site), "/webhooks/grafana", content=body, headers={SIGNATURE: "0" * 64}).status_code == 401
    assert post(client(**site), "/webhooks/grafana", content=body + b" ", headers={SIGNATURE: good}).status_code == 401
    assert backend.told == []
    assert post(client(**site), "/webhooks/grafana", content=body, headers={SIGNATURE: good}).status_code == 202


def test_a_signed_time_is_asked_for_when_its_header_is_set(client: Any) -> None:
    body = json.dumps(ALERTS).encode()
    site = {"grafana_secret": Secret("s3cret"), "grafana_timestamp_header": "X-Stamp"}

    def status(stamp: str) -> int:
        sign = hmac.new(b"s3cret", stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
        return post(
            client(**site), "/webhooks/grafana", content=body, headers={SIGNATURE: sign, "X-Stamp": stamp}
        ).status_code

    assert status("1700000200") == 202
    assert status("1699999000") == 401


def test_events_are_answered_with_their_ids(client: Any, backend: Any) -> None:
    answer = post(client(), "/api/v1/events", json=[{"service": "cart"}, {"service": "db", "kind": "config"}])
    assert answer.status_code == 202
    assert answer.json()["ids"] == [e.id for e in backend.told]
    assert [e.kind for e in backend.told] == ["deploy", "config"]


def test_cloudevents_in_binary_mode_are_known_by_their_headers(client: Any, backend: Any) -> None:
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/ci", "CE-Type": "x.deployed", "ce-subject": "cart"}
    assert post(client(), "/api/v1/events", headers=headers).status_code == 202
    assert (backend.told[0].service, backend.told[0].kind) == ("cart", "deploy")


def test_too_many_bodies_at_once_are_told_to_come_again_and_leave_no_trace(client: Any, backend: Any) -> None:
    here = client(max_held_bytes=1500)

    async def three() -> list[int]:
        gate = asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            yield b"x" * 1000
            await gate.wait()

        first = asyncio.create_task(here.post("/api/v1/write", content=slow()))
        # The in-memory transport hands the first chunk over without any real waiting.
        for _ in range(50):
            await asyncio.sleep(0)
        second = await here.post("/api/v1/write", content=b"y" * 1000)
        gate.set()
        ended = (await first).status_code
        third = await here.post("/api/v1/write", content=b"z" * 1000)
        return [ended, second.status_code, third.status_code]

    assert asyncio.run(three()) == [204, 503, 204]


def test_a_sender_that_is_too_slow_is_told_to_come_again(client: Any) -> None:
    async def never() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.Event().wait()

    answer = post(client(body_timeout_s=0.01), "/api/v1/write", content=never())
    assert (answer.status_code, answer.json()["error"]) == (503, "the body did not arrive within 0.01 s")


def test_other_methods_and_routes_are_refused(client: Any) -> None:
    assert run(client().get("/api/v1/write")).status_code == 405
    assert run(client().get("/api/v2/write")).json() == {"error": "not found"}


def test_a_body_over_the_limit_is_not_kept_reading(client: Any) -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield b"x" * 100

    assert post(client(max_write_bytes=1000), "/api/v1/write", content=endless()).status_code == 400
    assert read <= 12
