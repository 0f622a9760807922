import base64
import json

import pytest

from aiops.errors import InputError
from aiops.events import Received, posted

NOW_MS = 1_700_000_600_000
STRUCTURED = "application/cloudevents+json; charset=utf-8"
DEPLOYED = {
    "specversion": "1.0",
    "id": "271069a8",
    "source": "/ci/pipeline",
    "type": "dev.cdevents.service.deployed.0.3.0",
    "time": "2023-11-14T22:13:20Z",
    "data": {
        "context": {"version": "0.5.0"},
        "subject": {
            "id": "daemonset/cart",
            "type": "service",
            "content": {"environment": {"id": "prod"}, "artifactId": "pkg:oci/cart@sha256:0b31"},
        },
    },
}
OTHER = {"specversion": "1.0", "id": "7", "source": "/ci", "type": "com.example.deployment.finished"}


def read(content: object, content_type: str = STRUCTURED) -> Received:
    return posted.read(json.dumps(content).encode(), {"content-type": content_type}, NOW_MS)


def test_a_cdevent_of_a_service_is_a_deploy() -> None:
    (event,) = read(DEPLOYED).events
    assert (event.kind, event.service, event.time_ms) == ("deploy", "cart", 1_700_000_000_000)
    assert event.description == "service deployed of pkg:oci/cart@sha256:0b31 in prod"
    assert event.source == "/ci/pipeline"


@pytest.mark.parametrize("happened", ["upgraded", "rolledback", "removed"])
def test_other_changes_of_a_service_are_deploys_too(happened: str) -> None:
    (event,) = read(DEPLOYED | {"type": f"dev.cdevents.service.{happened}.0.1.0"}).events
    assert event.kind == "deploy"
    assert happened in event.description


def test_the_content_type_may_be_forgotten() -> None:
    assert read(DEPLOYED, "application/json") == read(DEPLOYED)


def test_a_cdevent_may_come_without_envelope() -> None:
    bare = {
        "context": {
            "id": "271069a8",
            "source": "/ci/pipeline",
            "type": DEPLOYED["type"],
            "timestamp": DEPLOYED["time"],
        },
        "subject": {"id": "cart", "content": {}},
    }
    (event,) = read(bare, "application/json").events
    assert (event.id, event.service) == (read(DEPLOYED).events[0].id, "cart")
    with pytest.raises(InputError, match="context: expected `object`"):
        read(bare | {"context": []}, "application/json")


def test_source_and_id_are_the_identity() -> None:
    first = read(DEPLOYED).events[0].id
    assert read(DEPLOYED | {"time": "2023-11-14T23:13:20Z"}).events[0].id == first
    assert read(DEPLOYED | {"id": "other"}).events[0].id != first
    assert read(DEPLOYED | {"source": "/other"}).events[0].id != first


def test_an_incident_of_another_system_is_an_alert_that_ends() -> None:
    subject: object = {
        "id": "incident-123",
        "source": "/mon",
        "content": {"description": "slow", "service": {"id": "ns/cart"}},
    }

    def told(happened: str, number: str) -> dict[str, object]:
        kind = f"dev.cdevents.incident.{happened}.0.3.0"
        return {**DEPLOYED, "id": number, "type": kind, "data": {"subject": subject}}

    (firing,), (resolved,) = read(told("detected", "1")).events, read(told("resolved", "2")).events
    assert (firing.kind, firing.status, firing.service, firing.description) == ("alert", "firing", "cart", "slow")
    assert (resolved.id, resolved.status) == (firing.id, "resolved")


def test_an_incident_that_names_no_service_is_refused() -> None:
    content = {"type": "dev.cdevents.incident.detected.0.3.0", "data": {"subject": {"id": "i"}}}
    with pytest.raises(InputError, match=r"data\.service: no service is named"):
        read(DEPLOYED | content)


def test_types_that_say_nothing_of_a_service_are_counted() -> None:
    batch = [DEPLOYED, DEPLOYED | {"type": "dev.cdevents.build.finished.0.2.0"}, OTHER | {"type": "com.example.hello"}]
    got = read(batch, "application/cloudevents-batch+json")
    assert len(got.events) == 1
    assert got.rejects == (("type not understood", 2),)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("com.example.deployment.finished", "deploy"),
        ("com.example.Rollback", "deploy"),
        ("com.example.featureflag.changed", "config"),
        ("com.example.pod.restarted", "restart"),
        ("com.example.autoscaling", "scale"),
    ],
)
def test_a_word_in_the_type_tells_the_kind(name: str, kind: str) -> None:
    (event,) = read(OTHER | {"type": name, "subject": "apps/cart"}).events
    assert (event.kind, event.service, event.description, event.time_ms) == (kind, "cart", name, NOW_MS)


def test_the_data_may_tell_kind_service_and_more() -> None:
    data = {"kind": "config", "service": "db", "description": "pool 5", "url": "https://x/1", "labels": {"env": "prod"}}
    (event,) = read(OTHER | {"type": "x", "data": data}).events
    assert (event.kind, event.service, event.description, event.url) == ("config", "db", "pool 5", "https://x/1")
    assert event.labels == (("env", "prod"), ("type", "x"))


def test_labels_or_an_extension_may_name_the_service() -> None:
    assert read(OTHER | {"data": {"labels": {"app": "shop"}}}).events[0].service == "shop"
    assert read(OTHER | {"service": "cart", "data": "<xml/>"}).events[0].service == "cart"


def test_data_may_be_json_in_base64() -> None:
    coded = base64.b64encode(json.dumps({"service": "cart"}).encode()).decode()
    assert read(OTHER | {"data_base64": coded}).events[0].service == "cart"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": ""}, "id: must not be empty"),
        ({"source": 4}, "source: expected `str`, got `int`"),
        ({"specversion": "0.3"}, "specversion: expected 1.x, got '0.3'"),
        ({"subject": "cart", "time": "soon"}, "time: expected an RFC 3339"),
        ({"subject": "cart", "time": "0001-01-01T00:00:00Z"}, "time: must lie between"),
        ({"data": {}}, "data.service: no service is named"),
        ({"data": {"service": 1}}, r"data.service: expected `str \| null`"),
        ({"data": {"service": "a", "kind": "alert"}}, "data.kind: expected deploy, config"),
        ({"data": {"labels": {"app": 3}}}, "data.labels.app: expected `str`"),
        ({"data_base64": "%%"}, "data_base64: not JSON in base64"),
        ({"data_base64": "eA=="}, "data_base64: not JSON in base64"),
        (
            {"type": "dev.cdevents.service.deployed.0.3.0", "data": {"subject": "cart"}},
            "data.subject: expected `object`",
        ),
    ],
)
def test_a_fault_in_an_event_names_its_key(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match="^" + message):
        read(OTHER | change)
    with pytest.raises(InputError, match=r"^\[1\]\." + message):
        read([DEPLOYED, OTHER | change], "application/cloudevents-batch+json")


def test_a_missing_attribute_is_named() -> None:
    with pytest.raises(InputError, match="missing required field `source`"):
        read({"specversion": "1.0", "id": "1", "type": "deploy"})


def binary(body: bytes, **headers: str) -> Received:
    attributes = {
        "ce-specversion": "1.0",
        "ce-id": "7",
        "ce-source": "/ci",
        "ce-type": "com.example.deployment.finished",
        "content-type": "application/json",
    }
    return posted.read(body, attributes | {k.replace("_", "-"): v for k, v in headers.items()}, NOW_MS)


def test_binary_mode_has_its_attributes_in_headers() -> None:
    (event,) = binary(b'{"service":"cart"}', ce_time="2023-11-14T22:13:20Z").events
    assert (event.service, event.time_ms) == ("cart", 1_700_000_000_000)
    assert event.id == read(OTHER | {"subject": "cart"}).events[0].id


def test_header_values_are_decoded() -> None:
    (event,) = binary(b"", ce_subject='"caf%C3%A9 \\"1\\""').events
    assert event.service == 'café "1"'


def test_a_binary_body_that_is_no_json_is_left_alone_and_a_broken_one_is_refused() -> None:
    assert binary(b"<xml/>", content_type="application/xml", ce_subject="cart").events[0].service == "cart"
    with pytest.raises(InputError, match="not valid JSON"):
        binary(b"{", ce_subject="cart")
