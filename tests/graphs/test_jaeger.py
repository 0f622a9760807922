from __future__ import annotations

import asyncio
import json

import pytest

from aiops.errors import ConfigError, Refused, Unavailable
from aiops.graphs import jaeger
from aiops.graphs.jaeger import JaegerGraph

NOW_MS = 1_700_000_000_000
ANSWER = {
    "data": [
        {"parent": "frontend", "child": "shop/checkout", "callCount": 42, "source": "jaeger"},
        {"parent": "checkout", "child": "payments", "callCount": 1},
        {"parent": "payments", "child": "payments", "callCount": 7},
    ],
    "total": 0,
    "limit": 0,
    "offset": 0,
    "errors": None,
}


def read(url: str):
    return asyncio.run(JaegerGraph(url, lookback_s=600).read(NOW_MS))


def test_dependencies_are_edges_of_plain_service_names(peer):
    peer.body = json.dumps(ANSWER).encode()
    graph = read(peer.url + "/jaeger/")
    assert list(graph.edges()) == [("checkout", "payments", NOW_MS), ("frontend", "checkout", NOW_MS)]
    assert peer.asked == [f"/jaeger/api/dependencies?endTs={NOW_MS}&lookback=600000"]


@pytest.mark.parametrize("body", [b'{"data": []}', b'{"data": null, "errors": []}', b"{}"])
def test_no_dependencies_are_an_empty_graph(peer, body: bytes):
    peer.body = body
    assert read(peer.url).services() == []


@pytest.mark.parametrize(
    ("status", "error"),
    [(500, Unavailable), (503, Unavailable), (429, Unavailable), (404, Refused), (302, Refused), (401, Refused)],
)
def test_a_status_is_our_error_that_says_whether_to_try_again(peer, status: int, error: type[Exception]):
    peer.status, peer.body = status, json.dumps(ANSWER).encode()
    with pytest.raises(error, match=f"jaeger answered status {status}"):
        read(peer.url)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "is not JSON"),
        (b"<html>", "is not JSON"),
        (b"\xff\xfe\xfa", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "must be an object, is a list"),
        (b'{"data": {"a": 1}}', "must be a list, is a dict"),
        (b'{"data": ["a"]}', "must have a parent and a child"),
        (b'{"data": [{"parent": "a"}]}', "must have a parent and a child"),
        (b'{"data": [{"parent": "a", "child": 5}]}', "must have a parent and a child"),
        (b'{"data": [{"parent": "a", "child": "b/"}]}', "must have a parent and a child"),
    ],
)
def test_an_answer_that_is_not_jaegers_is_refused(peer, body: bytes, message: str):
    peer.body = body
    with pytest.raises(Refused, match=message):
        read(peer.url)


def test_errors_inside_an_answer_may_pass(peer):
    peer.body = b'{"data": null, "errors": [{"code": 500, "msg": "storage is down"}]}'
    with pytest.raises(Unavailable, match="storage is down"):
        read(peer.url)


def test_an_answer_that_breaks_off_may_pass(peer):
    peer.body, peer.length = b'{"data"', 1000
    with pytest.raises(Unavailable, match="did not answer"):
        read(peer.url)


def test_an_answer_without_end_is_refused(peer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(jaeger, "MAX_BYTES", 10)
    peer.body = json.dumps(ANSWER).encode()
    with pytest.raises(Refused, match="over 10 bytes"):
        read(peer.url)


def test_nobody_listening_may_pass():
    with pytest.raises(Unavailable, match="jaeger did not answer: nothing listens there"):
        read("http://127.0.0.1:1")


@pytest.mark.parametrize("url", ["jaeger:16686", "ftp://jaeger", "http://", "http://jaeger:port", ""])
def test_an_address_that_is_none_is_a_config_error(url: str):
    with pytest.raises(ConfigError, match="graph: jaeger_url: must be an address such as"):
        JaegerGraph(url)
