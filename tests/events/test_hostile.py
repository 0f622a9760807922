"""Whatever a stranger sends, a reader answers with events within limits or with an InputError."""

import json
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiops.errors import InputError
from aiops.events import REASONS, Received, alertmanager, grafana, posted

NOW_MS = 1_700_000_600_000
KEYS = st.sampled_from(
    [
        *("alerts", "status", "labels", "annotations", "startsAt", "endsAt", "fingerprint", "generatorURL"),
        *("service", "time", "kind", "description", "url", "id", "source", "specversion", "type", "data", "subject"),
        *("context", "content", "truncatedAlerts", "data_base64", "timestamp", "environment", "job", "severity"),
    ]
)
WORDS = st.sampled_from(
    [
        *("firing", "resolved", "deploy", "alert", "1.0", "none", "0001-01-01T00:00:00Z", "2023-11-14T22:13:20Z"),
        *("dev.cdevents.service.deployed.0.1.0", "dev.cdevents.incident.resolved.0.1.0", "x.restart", "e30=", "cart"),
        *("9999-12-31T23:59:59-12:00", "javascript:alert(1)", "https://x/1", "\x00\x1b[2J\u202e", "ü" * 3000),
    ]
)
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), WORDS, st.text(max_size=20))
JSON = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(KEYS, st.text(max_size=8)), inner, max_size=6)
    ),
    max_leaves=25,
)
ALERTS = st.fixed_dictionaries({"alerts": st.lists(st.dictionaries(KEYS, JSON, max_size=6), max_size=4)})
CLOUD = st.fixed_dictionaries(
    {"specversion": st.just("1.0"), "id": WORDS, "source": WORDS, "type": WORDS, "data": JSON}
)
PLAIN = st.fixed_dictionaries({"service": WORDS}, optional={"time": LEAVES, "kind": WORDS, "id": WORDS, "labels": JSON})

Read = Callable[[bytes], Received]
READERS: dict[str, Read] = {
    "alertmanager": lambda body: alertmanager.read(body, NOW_MS),
    "grafana": lambda body: grafana.read(body, NOW_MS),
    "posted": lambda body: posted.read(body, {}, NOW_MS),
    "batch": lambda body: posted.read(body, {"content-type": "application/cloudevents-batch+json"}, NOW_MS),
    "binary": lambda body: posted.read(body, {"ce-specversion": "1.0", "ce-id": "1", "ce-type": "deploy"}, NOW_MS),
}


def outcome(read: Read, body: bytes) -> Received | str:
    try:
        return read(body)
    except InputError as error:
        return str(error)


def check(read: Read, body: bytes) -> None:
    got = outcome(read, body)
    if isinstance(got, str):
        assert 0 < len(got) < 2000
        return
    assert {reason for reason, _ in got.rejects} <= set(REASONS)
    assert all(count > 0 for _, count in got.rejects)
    for event in got.events:
        assert event.id
        assert 0 < event.time_ms < 4_102_444_800_000
        assert len(event.service.encode()) <= 256
        assert len(event.description.encode()) <= 4096
        assert event.url == "" or event.url.startswith("http")
        assert "\n" not in event.service
        assert not set(event.service + event.description) & set("\x00\x1b\u202e")
        assert (event.kind == "alert") == (event.status != "")
    assert read(body) == got


@pytest.mark.parametrize("name", READERS)
@given(content=st.one_of(JSON, ALERTS, CLOUD, st.lists(CLOUD, max_size=3), PLAIN, st.lists(PLAIN, max_size=3)))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
def test_any_json_gives_events_within_limits_or_a_reason(name: str, content: object) -> None:
    check(READERS[name], json.dumps(content).encode())


@pytest.mark.parametrize("name", READERS)
@given(body=st.binary(max_size=200))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_any_bytes_give_a_reason(name: str, body: bytes) -> None:
    check(READERS[name], body)
