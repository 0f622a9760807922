import asyncio
import base64
from dataclasses import replace
from typing import Any

import httpx
import pytest

from aiops.errors import InputError
from aiops.secret import Secret
from aiops.telemetry import Telemetry
from aiops.web.api import Asked, asked
from aiops.web.render import incident_dict

TOKEN = Secret("let-me-in")


def get(client: httpx.AsyncClient, path: str, **content: Any) -> httpx.Response:
    return asyncio.run(client.get(path, **content))


def test_incidents_come_in_their_one_shape(client: Any, sample: Any) -> None:
    assert get(client(), "/api/v1/incidents").json() == {"incidents": [incident_dict(sample.incident)]}
    assert get(client(), "/api/v1/incidents/5f0c1b2a").json() == incident_dict(sample.incident)
    missing = get(client(), "/api/v1/incidents/nope")
    assert (missing.status_code, missing.json()) == (404, {"error": "no such incident"})


def test_the_list_can_be_narrowed(client: Any, backend: Any) -> None:
    query = {"status": "open", "service": "cart", "since": "2023-11-14T22:13:20Z", "limit": "7"}
    assert get(client(), "/api/v1/incidents", params=query).status_code == 200
    assert backend.asked == [("open", "cart", 1_700_000_000_000, 7)]


def test_since_may_be_unix_seconds_or_milliseconds() -> None:
    for since in ("1700000000", "1700000000.0", "1700000000000"):
        assert asked({"since": since}) == Asked(since_ms=1_700_000_000_000)


@pytest.mark.parametrize(
    ("query", "key"),
    [
        ({"status": "closed"}, "status: must be one of forming, open, flapping, resolved"),
        ({"limit": "0"}, "limit: must be a whole number from 1 to 1000"),
        ({"limit": "1001"}, "limit"),
        ({"limit": "-1"}, "limit"),
        ({"limit": "9" * 5000}, "limit"),
        ({"limit": "²"}, "limit"),
        ({"since": "yesterday"}, "since"),
        ({"since": "9" * 400}, "since"),
        ({"sinse": "1"}, "sinse: no such parameter"),
    ],
)
def test_a_wrong_parameter_is_named(client: Any, query: dict[str, str], key: str) -> None:
    with pytest.raises(InputError, match="^" + key):
        asked(query)
    assert get(client(), "/api/v1/incidents", params=query).status_code == 400


def test_the_service_graph_can_be_read(client: Any) -> None:
    shown = get(client(), "/api/v1/graph").json()
    assert shown["services"] == ["checkout", "gateway", "payments"]
    assert shown["edges"][0] == {"caller": "checkout", "callee": "payments", "seen_at": "2023-11-14T22:13:20Z"}


def test_accepted_levels_are_listed_in_plain_values(client: Any) -> None:
    assert get(client(), "/api/v1/accepted").json() == {
        "accepted": [
            {
                "id": "an3",
                "series": "cart|cpu_cores",
                "service": "cart",
                "signal": "cpu_cores",
                "change": "deploy",
                "changed_at": "2023-11-14T22:13:20Z",
                "accepted_at": "2023-11-14T22:43:20Z",
                "undone_at": None,
                "before": None,
                "after": 2.5,
                "unit": "cores",
            }
        ]
    }


def test_an_undo_is_handed_over_and_asks_for_the_token(client: Any, backend: Any) -> None:
    def post(path: str, **settings: Any) -> httpx.Response:
        return asyncio.run(client(**settings).post(path))

    answer = post("/api/v1/accepted/an3/undo")
    assert (answer.status_code, answer.json()) == (202, {"id": "an3"})
    assert post("/api/v1/accepted/an4/undo").status_code == 404
    assert post("/api/v1/accepted/an3/undo", token=TOKEN).status_code == 401
    assert get(client(), "/api/v1/accepted/an3/undo").status_code == 405
    assert backend.undone == ["an3", "an4"]


def test_readiness_gives_its_reasons(client: Any, backend: Any) -> None:
    assert get(client(), "/-/healthy").status_code == 200
    assert (get(client(), "/-/ready").status_code, get(client(), "/-/ready").text) == (200, "ready\n")
    backend.reasons = ["store: disk is full", "prometheus: starting"]
    answer = get(client(), "/-/ready")
    assert (answer.status_code, answer.text) == (503, "not ready\nstore: disk is full\nprometheus: starting\n")


def test_a_warning_is_said_and_does_not_make_the_service_unready(client: Any, backend: Any) -> None:
    backend.concerns = ["service cart: no samples"]
    answer = get(client(), "/-/ready")
    assert (answer.status_code, answer.text) == (200, "ready\nwarning: service cart: no samples\n")
    assert "service cart: no samples" in get(client(), "/").text


def test_metrics_have_the_type_prometheus_asks_for(client: Any) -> None:
    answer = get(client(), "/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.content == b"aiops_build_info 1\n"


def test_every_answer_carries_headers_that_protect_its_reader(client: Any) -> None:
    for path in ("/", "/api/v1/incidents", "/-/healthy", "/nowhere"):
        headers = get(client(), path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cache-control"] == "no-store"
        assert "default-src 'none'" in headers["content-security-policy"]


def test_with_a_token_only_health_and_metrics_are_open(client: Any) -> None:
    here = client(token=TOKEN)
    for path in ("/", "/incidents/5f0c1b2a", "/api/v1/incidents", "/api/v1/graph", "/nowhere"):
        answer = get(here, path)
        assert (answer.status_code, answer.headers["www-authenticate"][:5]) == (401, "Basic")
    for path in ("/-/healthy", "/-/ready", "/metrics"):
        assert get(here, path).status_code == 200
    for path in ("/api/v1/write", "/api/v1/events", "/webhooks/alertmanager", "/webhooks/grafana"):
        assert asyncio.run(here.post(path, content=b"{}")).status_code == 401


def basic(text: bytes) -> str:
    return "Basic " + base64.b64encode(text).decode()


@pytest.mark.parametrize(
    "value", ["Bearer let-me-in", "bearer  let-me-in", basic(b"any:let-me-in"), basic(b":let-me-in")]
)
def test_the_token_is_taken_as_bearer_or_as_password(client: Any, value: str) -> None:
    assert get(client(token=TOKEN), "/api/v1/incidents", headers={"Authorization": value}).status_code == 200


@pytest.mark.parametrize(
    "value",
    ["", "Bearer", "Bearer guess", "let-me-in", "Digest let-me-in", basic(b"let-me-in"), basic(b"a:\xff"), "Basic %%%"],
)
def test_anything_else_is_no_token(client: Any, value: str) -> None:
    assert get(client(token=TOKEN), "/api/v1/incidents", headers={"Authorization": value}).status_code == 401


def test_a_page_of_another_site_cannot_post(client: Any, backend: Any) -> None:
    for origin, status in (("cross-site", 403), ("same-site", 403), ("same-origin", 202), ("none", 202)):
        headers = {"Sec-Fetch-Site": origin}
        answer = asyncio.run(client().post("/api/v1/events", json={"service": "cart"}, headers=headers))
        assert answer.status_code == status
    assert get(client(), "/", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200


def test_requests_are_counted_by_endpoint_and_never_by_the_path_asked_for(client: Any, backend: Any) -> None:
    telemetry = Telemetry()
    here = client(telemetry)
    get(here, "/-/healthy")
    get(here, "/made-up-by-a-stranger")
    backend.known = [replace(backend.known[0], id="x")]
    get(here, "/incidents/5f0c1b2a")
    text = telemetry.render().decode()
    assert 'aiops_http_requests_total{endpoint="healthy",result="ok"} 1.0' in text
    assert 'aiops_http_requests_total{endpoint="other",result="refused"} 1.0' in text
    assert 'aiops_http_requests_total{endpoint="detail",result="refused"} 1.0' in text
    assert "stranger" not in text
