import json

import pytest

from aiops.errors import InputError
from aiops.events import Received, posted

NOW_MS = 1_700_000_600_000
PLAIN = {
    "service": "cart",
    "kind": "deploy",
    "time": "2023-11-14T22:13:20Z",
    "description": "v2",
    "url": "https://ci/1",
}


def read(content: object, **headers: str) -> Received:
    return posted.read(json.dumps(content).encode(), headers, NOW_MS)


def test_a_plain_event_is_taken_as_told() -> None:
    (event,) = read(PLAIN).events
    assert (event.service, event.kind, event.time_ms) == ("cart", "deploy", 1_700_000_000_000)
    assert (event.description, event.url, event.source, event.status) == ("v2", "https://ci/1", "api", "")


def test_a_list_of_plain_events_keeps_its_order() -> None:
    assert [e.service for e in read([PLAIN, PLAIN | {"service": "db"}]).events] == ["cart", "db"]
    assert read([]).events == ()


@pytest.mark.parametrize(
    "time", ["2023-11-14T23:13:20+01:00", "2023-11-14t22:13:20z", 1_700_000_000, 1_700_000_000.0, 1_700_000_000_000]
)
def test_a_time_may_be_rfc_3339_or_unix_seconds_or_milliseconds(time: object) -> None:
    assert read(PLAIN | {"time": time}).events[0].time_ms == 1_700_000_000_000


def test_a_missing_time_is_now_and_a_missing_kind_a_deploy() -> None:
    (event,) = read({"service": "cart"}).events
    assert (event.time_ms, event.kind) == (NOW_MS, "deploy")


def test_the_same_event_told_twice_is_one_event() -> None:
    assert read(PLAIN).events == read(PLAIN).events
    assert read(PLAIN).events[0].id != read(PLAIN | {"description": "v3"}).events[0].id
    named = PLAIN | {"id": "build-7"}
    assert read(named).events[0].id == read(named | {"time": 1_700_000_123}).events[0].id


def test_an_alert_has_an_id_and_a_status() -> None:
    alert = {"service": "cart", "kind": "alert", "id": "a1", "labels": {"severity": "page"}}
    (firing,), (resolved,) = read(alert).events, read(alert | {"status": "resolved"}).events
    assert (firing.status, resolved.status) == ("firing", "resolved")
    assert firing.id == resolved.id
    assert firing.labels == (("severity", "page"),)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"service": ""}, "service: must not be empty"),
        ({"service": None}, "service: expected `str`, got `null`"),
        ({"time": "noon"}, "time: expected an RFC 3339 time"),
        ({"time": -5}, "time: must lie between 1970 and 2100, got -5"),
        ({"time": 10**300}, "time: must lie between"),
        ({"time": True}, "time: expected"),
        ({"kind": "party"}, "kind: invalid enum value 'party'"),
        ({"descripton": "x"}, "contains unknown field `descripton`"),
        ({"url": "ftp://x"}, "url: must be an http or https address"),
        ({"url": "https://x/ y"}, "url: must be"),
        ({"labels": {"a": 1}}, "labels.a: expected `str`"),
        ({"status": "firing"}, "status: only an event of kind `alert`"),
        ({"kind": "alert"}, "id: an alert needs one"),
        ({"kind": "alert", "id": "1", "status": "on"}, "status: expected `firing` or `resolved`, got 'on'"),
    ],
)
def test_a_fault_in_a_plain_event_names_its_key(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match="^(body: object )?" + message):
        read(PLAIN | change)
    with pytest.raises(InputError, match=r"^\[1\](\.|: object )" + message):
        read([PLAIN, PLAIN | change])


@pytest.mark.parametrize("raw", [b"", b"nope", b"5", b'"x"', b"null", b"[5]", b"[" * 300_000, b'{"service":"\xff"}'])
def test_what_is_no_event_is_refused(raw: bytes) -> None:
    with pytest.raises(InputError):
        posted.read(raw, {}, NOW_MS)
