"""Requests that are wrong: refused with a reason, counted, logged; what is right still gets through."""

import httpx
import pytest

from aiops.demo.encode import HEADERS, compress, encode
from tests.bad_input._told import alert, now_ms, opened, post_alert, post_samples, requests_of, scraped
from tests.services._aiops_process import wait_for

JSON = {"content-type": "application/json"}
GOOD = encode([(requests_of("cart"), [(now_ms(), 1.0)])])
WRONG = {
    "bytes that are no snappy": ("/api/v1/write", b"\xff" * 64, HEADERS, 400, "snappy"),
    "snappy cut in the middle": ("/api/v1/write", GOOD[: len(GOOD) // 2], HEADERS, 400, "snappy"),
    "snappy that promises 4 GB": ("/api/v1/write", b"\xff\xff\xff\xff\x0f" + GOOD, HEADERS, 400, "limit"),
    "snappy around no protobuf": ("/api/v1/write", compress(b"\x0a\xff\xff\xff\x7f hello"), HEADERS, 400, "at byte"),
    "remote_write 1.0 that is called 2.0": (
        *("/api/v1/write", GOOD),
        *({"content-type": "application/x-protobuf;proto=io.prometheus.write.v2.Request"}, 400, "other version"),
    ),
    "a message that nobody reads": (
        *("/api/v1/write", GOOD),
        *({"content-type": "application/x-protobuf;proto=other.Message"}, 415, "io.prometheus.write.v2.Request"),
    ),
    "JSON instead of protobuf": ("/api/v1/write", b"{}", JSON, 415, "application/x-protobuf"),
    "samples without a name": (
        *("/api/v1/write", encode([((("service", "cart"),), [(now_ms(), 1.0)])])),
        *(HEADERS, 400, "__name__"),
    ),
    "a label of 1 MB": (
        *("/api/v1/write", encode([(requests_of("cart", zone="x" * 2**20), [(now_ms(), 1.0)])])),
        *(HEADERS, 400, "1048576 bytes, the limit is"),
    ),
    "alerts that are no JSON": ("/webhooks/alertmanager", b'{"alerts": [', JSON, 400, "JSON"),
    "alerts that are a list": ("/webhooks/alertmanager", b"[1, 2]", JSON, 400, "object"),
    "alerts that are no text": ("/webhooks/alertmanager", b"\xff\xfe\x00", JSON, 400, "JSON"),
    "alerts nested deeper than any stack": ("/webhooks/alertmanager", b"[" * 200_000, JSON, 400, ""),
    "alerts of Grafana that are no JSON": ("/webhooks/grafana", b"nope", JSON, 400, "JSON"),
    "an event without a service": ("/api/v1/events", b'{"kind": "deploy"}', JSON, 400, "service"),
    "an event of an unknown kind": ("/api/v1/events", b'{"service": "cart", "kind": "party"}', JSON, 400, "kind"),
    "a CloudEvent that is no JSON": (
        *("/api/v1/events", b"{"),
        *({"content-type": "application/cloudevents+json"}, 400, "JSON"),
    ),
    "more than 8 MB of alerts": ("/webhooks/alertmanager", b" " * (8 * 2**20 + 1), JSON, 413, "at most"),
    "a body over 16 MB of samples": ("/api/v1/write", b"x" * (16 * 2**20 + 1), HEADERS, 400, "at most"),
}
ENDPOINTS = {"/api/v1/write": "write", "/webhooks/alertmanager": "alertmanager", "/webhooks/grafana": "grafana"}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_body_is_refused_with_its_reason_counted_and_logged(service, what):
    path, body, headers, status, reason = WRONG[what]
    endpoint = ENDPOINTS.get(path, "events")
    before = scraped(service.url, "aiops_http_requests_total", endpoint=endpoint, result="refused")
    answer = httpx.post(service.url + path, content=body, headers=headers, timeout=30.0)
    assert (answer.status_code, reason in answer.json()["error"]) == (status, True), answer.text
    assert len(answer.content) < 2000
    assert scraped(service.url, "aiops_http_requests_total", endpoint=endpoint, result="refused") == before + 1
    assert f"path={path} status={status}" in service.log_tail()
    assert post_samples(service.url, [(requests_of("cart"), [(now_ms(), 1.0)])]).status_code == 204


def test_one_unreadable_alert_costs_no_other_and_is_counted(service, receiver):
    payload = alert("island-0")
    payload["alerts"].insert(0, {"status": 7, "labels": "none"})
    before = scraped(service.url, "aiops_events_rejected_total", source="alertmanager", reason="unreadable")
    answer = httpx.post(f"{service.url}/webhooks/alertmanager", json=payload, timeout=30.0)
    assert answer.status_code == 202
    assert answer.json()["rejected"] == {"unreadable": 1}
    assert scraped(service.url, "aiops_events_rejected_total", source="alertmanager", reason="unreadable") == before + 1
    wait_for(lambda: "island-0" in opened(receiver), 30, service.log_tail)


def test_an_alert_with_a_label_of_1_mb_is_told_with_the_label_cut(service, receiver):
    answer = post_alert(service.url, "island-1", note="x" * 2**20)
    assert answer.status_code == 202
    wait_for(lambda: "island-1" in opened(receiver), 30, service.log_tail)
    assert max(len(str(taken.body)) for taken in receiver.taken) < 20_000


def _is_ready_while_samples_come(url):
    """A service whose senders have gone silent says so; these have not."""
    assert post_samples(url, [(requests_of("cart"), [(now_ms(), 1.0)])]).status_code == 204
    return httpx.get(f"{url}/-/ready", timeout=10.0).text == "ready\n"


def test_after_all_that_it_is_ready_and_has_lost_nothing(service, receiver):
    assert post_alert(service.url, "island-2").status_code == 202
    wait_for(lambda: "island-2" in opened(receiver), 30, service.log_tail)
    ready = wait_for(lambda: _is_ready_while_samples_come(service.url), 60, service.log_tail)
    assert ready < 60
    assert len(opened(receiver)) == len(set(opened(receiver)))
