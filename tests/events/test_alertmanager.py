import json
from pathlib import Path

import pytest

from aiops.errors import InputError
from aiops.events import Received, alertmanager
from aiops.events._payload import CUT_MARK

RECORDED = Path(__file__).parent / "recorded"
NOW_MS = 1_700_000_600_000
START = "2023-11-14T22:13:20.123456789Z"
START_MS = 1_700_000_000_123


def alert(**changes: object) -> dict[str, object]:
    base: dict[str, object] = {
        "status": "firing",
        "labels": {"alertname": "Slow", "service": "cart", "severity": "page"},
        "annotations": {"summary": "cart is slow"},
        "startsAt": START,
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus/graph?g0.expr=1",
        "fingerprint": "b3e2a1",
    }
    return base | changes


def body(*alerts: object, **changes: object) -> bytes:
    return json.dumps({"version": "4", "status": "firing", "truncatedAlerts": 0, "alerts": alerts} | changes).encode()


def read(*alerts: object, **changes: object) -> Received:
    return alertmanager.read(body(*alerts, **changes), NOW_MS)


def test_a_firing_alert_becomes_an_event_of_its_service() -> None:
    (event,) = read(alert()).events
    assert (event.kind, event.status, event.service, event.time_ms) == ("alert", "firing", "cart", START_MS)
    assert event.description == "Slow: cart is slow"
    assert event.url == "http://prometheus/graph?g0.expr=1"
    assert dict(event.labels)["severity"] == "page"


@pytest.mark.parametrize(
    ("name", "notes", "said"),
    [
        ("Slow", {}, "Slow"),
        ("", {"summary": "cart is slow"}, "cart is slow"),
        ("Slow", {"message": "m", "description": "d"}, "Slow: d"),
    ],
)
def test_an_alert_is_described_by_what_it_has(name: str, notes: dict[str, str], said: str) -> None:
    (event,) = read(alert(labels={"alertname": name, "service": "cart"}, annotations=notes)).events
    assert event.description == said


def test_repeats_and_replicas_give_the_same_event_and_the_end_keeps_its_identity() -> None:
    (first,) = read(alert(), groupKey="a").events
    (repeat,) = read(alert(endsAt="2023-11-14T22:18:20Z"), groupKey="b", receiver="other").events
    (end,) = read(alert(status="resolved", endsAt="2023-11-14T22:20:00Z")).events
    assert first == repeat
    assert end.id == first.id
    assert (end.status, end.time_ms) == ("resolved", START_MS + 399_877)


def test_the_next_firing_of_the_same_alert_is_another_event() -> None:
    assert read(alert()).events[0].id != read(alert(startsAt="2023-11-14T22:15:00Z")).events[0].id


def test_the_status_of_each_alert_decides_and_not_its_end_nor_the_group() -> None:
    ended = alert(endsAt="2023-11-14T22:14:00Z")
    over = alert(status="resolved", endsAt="0001-01-01T00:00:00Z")
    events = read(ended, over, status="firing").events
    assert [e.status for e in events] == ["firing", "resolved"]
    assert events[1].time_ms == NOW_MS


def test_an_alert_without_fingerprint_is_known_by_its_labels() -> None:
    one, same = alert(), alert(labels={"severity": "page", "service": "cart", "alertname": "Slow"})
    other = alert(labels={"alertname": "Slow", "service": "cart", "severity": "warn"})
    for each in (one, same, other):
        del each["fingerprint"]
    ids = [e.id for e in read(one, same, other).events]
    assert ids[0] == ids[1] != ids[2]


def test_missing_and_unknown_fields_are_accepted() -> None:
    (event,) = alertmanager.read(
        b'{"alerts":[{"labels":null,"annotations":null,"new":[1],"startsAt":null}],"notification_reason":"x"}', NOW_MS
    ).events
    assert (event.status, event.service, event.time_ms, event.description) == ("firing", "", NOW_MS, "")


def test_the_status_of_the_group_stands_in_for_a_missing_one() -> None:
    lone = alert()
    del lone["status"]
    assert read(lone, status="resolved").events[0].status == "resolved"


def test_a_start_in_the_future_is_now() -> None:
    assert read(alert(startsAt="2040-01-01T00:00:00Z")).events[0].time_ms == NOW_MS


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"startsAt": 5}, r"alerts\[0\]\.startsAt: expected `str \| null`, got `int`"),
        ({"startsAt": "yesterday"}, r"alerts\[0\]\.startsAt: expected an RFC 3339 time"),
        ({"startsAt": "2023-11-14T22:13:20"}, "with a zone"),
        ({"labels": ["a"]}, r"alerts\[0\]\.labels: expected `object"),
        ({"labels": {"service": 7}}, r"alerts\[0\]\.labels\.service: expected `str`, got `int`"),
        ({"annotations": {"summary": None}}, r"alerts\[0\]\.annotations\.summary"),
        ({"status": "pending"}, r"alerts\[0\]\.status: expected `firing` or `resolved`, got 'pending'"),
        ({"fingerprint": {}}, r"alerts\[0\]\.fingerprint"),
    ],
)
def test_a_wrong_type_is_an_error_that_names_the_key(change: dict[str, object], key: str) -> None:
    with pytest.raises(InputError, match=key):
        read(alert(**change))


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b'{"alerts":["\xff"]}', "not valid JSON"),
        (b'{"alerts":[{"startsAt":"\\ud800"}]}', "not valid JSON"),
        (b"[" * 300_000, "nested too deeply"),
        (b'{"alerts":' * 50_000, "nested too deeply"),
        (b"[]", "body: expected `object`, got `array`"),
        (b"{}", "missing required field `alerts`"),
        (b'{"alerts":{}}', "alerts: expected `array`"),
        (b'{"alerts":[],"truncatedAlerts":"x"}', "truncatedAlerts: expected `int"),
    ],
)
def test_what_is_no_payload_is_refused_with_a_reason(raw: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        alertmanager.read(raw, NOW_MS)


def test_one_unreadable_alert_does_not_cost_the_others(caplog: pytest.LogCaptureFixture) -> None:
    got = read(alert(), alert(labels={"service": 7}), "no alert")
    assert len(got.events) == 1
    assert got.rejects == (("unreadable", 2),)
    assert "source=alertmanager reason=unreadable count=2" in caplog.text


def test_alerts_that_the_sender_cut_off_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    assert read(alert(), truncatedAlerts=41).rejects == (("truncated by the sender", 41),)
    assert "count=41" in caplog.text


def test_an_alert_that_always_fires_is_left_out() -> None:
    got = read(alert(labels={"alertname": "Watchdog", "severity": "none"}))
    assert (got.events, got.rejects) == ((), (("severity none", 1),))


def test_an_empty_payload_is_no_fault() -> None:
    assert read() == Received()


def test_long_texts_are_cut_with_a_mark_and_identity_does_not_suffer() -> None:
    long = "ä" * 1_000_000
    labels = {"alertname": "Slow", "service": long, "note": long}
    one = alert(labels=labels, annotations={"summary": long}, generatorURL="http://x/" + long)
    two = alert(labels=labels | {"note": long + "!"})
    del one["fingerprint"]
    del two["fingerprint"]
    first, second = read(one, two).events
    assert len(first.service.encode()) <= 256
    assert len(dict(first.labels)["note"].encode()) <= 1024
    assert len(first.description.encode()) <= 4096
    assert first.description.endswith(CUT_MARK)
    assert first.url == ""
    assert first.id != second.id


def test_too_many_labels_are_counted_and_the_telling_ones_stay() -> None:
    labels = {f"a{i:04}": "x" for i in range(1000)} | {"severity": "page", "service": "cart", "empty": ""}
    got = read(alert(labels=labels))
    assert len(got.events[0].labels) == 64
    assert {"severity", "service"} <= dict(got.events[0].labels).keys()
    assert got.rejects == (("labels over the limit", 938),)


def test_control_characters_and_foreign_links_do_not_pass() -> None:
    hostile = alert(labels={"alertname": "a\x1b[2J\u202e", "service": "ca\nrt\x00"}, generatorURL="javascript:alert(1)")
    (event,) = read(hostile).events
    assert event.service == "ca rt"
    assert event.description == "a [2J : cart is slow"
    assert event.url == ""


def test_which_label_names_the_service_can_be_told() -> None:
    raw = body(alert(labels={"team_service": "pay", "service": "cart"}))
    assert alertmanager.read(raw, NOW_MS, ("team_service",)).events[0].service == "pay"


def test_what_a_real_alertmanager_sent_is_understood() -> None:
    """Recorded from Alertmanager 0.25: an alert that was given without end, then ended."""
    firing, resolved = (
        alertmanager.read((RECORDED / f"alertmanager_{status}.json").read_bytes(), 1_795_348_200_000)
        for status in ("firing", "resolved")
    )
    (start,), (end,) = firing.events, resolved.events
    assert (start.status, start.service, start.description) == ("firing", "cart", "CartSlow: p95 over 1 s")
    assert (end.status, end.id) == ("resolved", start.id)
    assert (start.time_ms, end.time_ms) == (1_795_348_138_157, 1_795_348_147_000)
    assert firing.rejects == resolved.rejects == ()


@pytest.mark.parametrize(
    ("notes", "runbook"),
    [
        ({"runbook_url": "https://wiki/run?a=1"}, "https://wiki/run?a=1"),
        ({"runbook": "https://wiki/other"}, "https://wiki/other"),
        ({"runbook_url": "javascript:alert(1)", "runbook": "see the wiki"}, ""),
        ({}, ""),
    ],
)
def test_an_alert_brings_its_runbook_if_that_is_an_address(notes, runbook):
    alert = {"status": "firing", "labels": {"alertname": "A"}, "annotations": notes, "startsAt": "2023-11-14T22:00:00Z"}
    body = json.dumps({"version": "4", "status": "firing", "alerts": [alert]}).encode()
    (event,) = alertmanager.read(body, 1_700_000_000_000, ("service",)).events
    assert event.runbook == runbook
