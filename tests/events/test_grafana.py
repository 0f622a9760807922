import hashlib
import hmac
import json

from aiops.events import grafana

NOW_MS = 1_700_000_600_000
HEADER = "x-grafana-alerting-signature"


def payload(**labels: str) -> bytes:
    alert = {
        "status": "firing",
        "labels": labels,
        "annotations": {"message": "too slow"},
        "startsAt": "2023-11-14T22:13:20Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "values": {"B": 22.5, "C": 1},
        "valueString": "[ var='B' value=22.5 ]",
        "fingerprint": "c6eadffa33fcdf37",
        "generatorURL": "http://grafana/alerting/1",
        "dashboardURL": "http://grafana/d/1",
        "silenceURL": "http://grafana/silence",
    }
    return json.dumps({"version": "1", "orgId": 1, "state": "alerting", "alerts": [alert]}).encode()


def test_an_alert_becomes_an_event_that_links_to_its_dashboard() -> None:
    (event,) = grafana.read(payload(alertname="Slow", service="cart"), NOW_MS).events
    assert (event.source, event.service, event.status) == ("grafana", "cart", "firing")
    assert event.url == "http://grafana/d/1"
    assert event.description == "Slow: too slow"


def test_troubles_of_grafana_itself_are_not_about_the_service() -> None:
    for name in ("DatasourceNoData", "DatasourceError"):
        got = grafana.read(payload(alertname=name, service="cart"), NOW_MS)
        assert (got.events, got.rejects) == ((), (("not about a service", 1),))


def signature(message: bytes, secret: str = "s3cret") -> str:  # noqa: S107 - the secret of this test
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def signed(headers: dict[str, str], timestamp_header: str = "", now_s: float = 1_700_000_000.0) -> bool:
    return grafana.signed(b"body", headers, "s3cret", now_s, header=HEADER, timestamp_header=timestamp_header)


def test_only_the_signature_of_this_body_with_this_secret_passes() -> None:
    assert signed({HEADER: signature(b"body")})
    assert signed({HEADER: signature(b"body").upper()})
    assert not signed({HEADER: signature(b"other")})
    assert not signed({HEADER: signature(b"body", "guess")})
    assert not signed({HEADER: ""})
    assert not signed({HEADER: "ü"})
    assert not signed({})


def test_a_signed_time_must_be_there_and_near() -> None:
    def headers(stamp: str) -> dict[str, str]:
        return {HEADER: signature(stamp.encode() + b":body"), "x-time": stamp}

    assert signed(headers("1699999800"), "x-time")
    assert not signed(headers("1699999600"), "x-time")
    assert not signed(headers("1700000400"), "x-time")
    assert not signed(headers("9" * 5000), "x-time")
    assert not signed(headers("-5"), "x-time")
    assert not signed({HEADER: signature(b"body")}, "x-time")
    assert not signed({HEADER: signature(b"body"), "x-time": "1699999800"}, "x-time")
