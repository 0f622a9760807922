import asyncio
import math
import os
import subprocess
import sys
from collections import deque
from pathlib import Path

import pytest

from aiops.errors import InputError, Refused, Unavailable
from aiops.secret import Secret
from aiops.sources.prometheus import Connection, PrometheusClient, Sample
from tests.sources._fake_prometheus import FakePrometheus, Trouble, serve


@pytest.fixture
def fake():
    fake = FakePrometheus()
    fake.series["up"] = [
        ({"__name__": "up", "job": "a"}, lambda _: "1"),
        ({"__name__": "up", "job": "b", "zone": "x"}, lambda _: "+Inf"),
    ]
    stop = serve(fake)
    yield fake
    stop()


def ask(fake, question, **settings):
    async def go():
        client = PrometheusClient(Connection(fake.url, **settings))
        try:
            return await question(client), client
        finally:
            await client.aclose()

    return asyncio.run(go())


def test_names_and_values_are_listed(fake):
    assert ask(fake, lambda c: c.metric_names())[0] == ["up"]
    assert ask(fake, lambda c: c.label_values("job"))[0] == ["a", "b"]


def test_a_selector_narrows_names_and_values(fake):
    ask(fake, lambda c: c.label_values("job", 'up{zone="x"}'))
    assert [r.params.get("match[]") for r in fake.requests] == ['up{zone="x"}']


def test_an_instant_query_gives_labels_and_values_and_no_infinity(fake):
    found, _ = ask(fake, lambda c: c.instant("up", 1_700_000_000.25))
    assert found[0] == Sample((("__name__", "up"), ("job", "a")), 1.0)
    assert math.isnan(found[1].value)
    assert fake.requests[0].params["time"] == "1700000000.250"


def test_an_instant_query_without_a_time_means_the_servers_now(fake):
    ask(fake, lambda c: c.instant("up"))
    assert "time" not in fake.requests[0].params


def test_a_scalar_is_a_sample_without_labels(fake):
    assert ask(fake, lambda c: c.instant("scalar(1)"))[0] == [Sample((), 1.0)]


def test_native_histograms_are_left_out_and_counted(fake):
    body = b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"histogram":[1,{"count":"1"}]}]}}'
    fake.always["h"] = Trouble(body=body)
    found, client = ask(fake, lambda c: c.instant("h"))
    assert found == []
    assert client.counts["histogram"] == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_refusal_says_what_the_server_said(fake, status):
    fake.always["up"] = Trouble(status, b'{"status":"error","error":"it\'s \\"bad\\""}')
    with pytest.raises(Refused, match=f'HTTP {status}: it\'s "bad"'):
        ask(fake, lambda c: c.instant("up"))


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_server_in_trouble_is_unavailable(fake, status):
    fake.always["up"] = Trouble(status, b'{"status":"error","error":"query timed out"}')
    with pytest.raises(Unavailable, match=f"HTTP {status}: query timed out"):
        ask(fake, lambda c: c.instant("up"))


def test_a_server_that_recovers_at_once_is_not_even_noticed(fake):
    fake.script["up"] = deque([Trouble(503, b"busy")])
    assert len(ask(fake, lambda c: c.instant("up"))[0]) == 2


def test_dead_and_silent_servers_are_unavailable(fake):
    with pytest.raises(Unavailable, match=r"^http://127\.0\.0\.1:9 did not answer: nothing listens there$"):
        ask(FakePrometheus(url="http://127.0.0.1:9"), lambda c: c.metric_names())
    fake.always["up"] = Trouble(kind="hang")
    with pytest.raises(Unavailable, match=r"did not answer: no answer in time$"):
        ask(fake, lambda c: c.instant("up"), timeout_s=0.1)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>login</html>",
        b'{"data":3}',
        b"[]",
        b'{"status":"success"}',
        b'{"status":"success","data":{"result":[{"value":7}]}}',
        b'{"status":"success","data":{"result":[{"metric":{},"value":[1,"abc"]}]}}',
        b'{"status":"success","data":{"result":[["1"]]}}',
    ],
)
def test_an_answer_of_something_else_is_refused(fake, body):
    fake.always["*"] = Trouble(body=body)
    with pytest.raises(Refused, match=r"not one of Prometheus|not JSON"):
        ask(fake, lambda c: c.instant("up"))


@pytest.mark.parametrize("body", [b'{"status":"success","data":[1]}', b'{"status":"success","data":{"a":1}}'])
def test_a_list_of_something_else_than_names_is_refused(fake, body):
    fake.always["*"] = Trouble(body=body)
    with pytest.raises(Refused, match="not a list of names"):
        ask(fake, lambda c: c.metric_names())


def test_an_empty_server_has_no_names(fake):
    fake.always["*"] = Trouble(body=b'{"status":"success","data":null}')
    assert ask(fake, lambda c: c.metric_names())[0] == []


def everything(client):
    return asyncio.gather(client.instant("up"), client.ranges.read(["up"], 0, 0, 30))


def test_both_ways_send_the_same_credentials(fake, tmp_path):
    token = tmp_path / "token"
    token.write_text("first\n")
    ask(fake, everything, headers={"X-Key": Secret("k1")}, tenant="team", bearer_token_file=token)
    ask(fake, everything, bearer_token=Secret("second"))
    ask(fake, everything, user="me", password=Secret("pw"))
    heads = [r.headers for r in fake.requests]
    assert [h["Authorization"] for h in heads[:4]] == ["Bearer first"] * 2 + ["Bearer second"] * 2
    assert [h["Authorization"] for h in heads[4:]] == ["Basic bWU6cHc="] * 2
    assert [(h.get("X-Key"), h.get("X-Scope-OrgID")) for h in heads[:2]] == [("k1", "team")] * 2


def test_a_token_file_is_read_again_for_every_request(fake, tmp_path):
    token = tmp_path / "token"
    token.write_text("old")

    async def rotate(client):
        await client.ranges.read(["up"], 0, 0, 30)
        token.write_text("new")
        await client.ranges.read(["up"], 0, 0, 30)

    ask(fake, rotate, bearer_token_file=token)
    assert [r.headers["Authorization"] for r in fake.requests] == ["Bearer old", "Bearer new"]


def test_a_token_file_that_is_gone_may_come_back(fake, tmp_path):
    with pytest.raises(Unavailable, match=r"bearer_token_file: .*gone cannot be read"):
        ask(fake, lambda c: c.instant("up"), bearer_token_file=tmp_path / "gone")
    (error,), _ = ask(fake, lambda c: c.ranges.read(["up"], 0, 0, 30), bearer_token_file=tmp_path / "gone")
    assert isinstance(error, Unavailable)


def test_a_netrc_entry_does_not_replace_our_token(fake, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login thief password p\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    ask(fake, everything, bearer_token=Secret("mine"))
    assert {r.headers["Authorization"] for r in fake.requests} == {"Bearer mine"}


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"url": "localhost:9090"}, "url must look like"),
        ({"url": "ftp://x"}, "url must look like"),
        ({"url": "http://"}, "url must look like"),
        ({"url": "http://me:pw@x"}, "url must not hold a user or password"),
        ({"bearer_token": Secret("a"), "bearer_token_file": Path("b")}, "at most one of bearer_token"),
        ({"user": "a", "bearer_token": Secret("b")}, "at most one of user"),
        ({"timeout_s": 0}, "timeout_s must be > 0, got 0"),
        ({"max_points": -1}, "max_points must be > 0, got -1"),
        ({"max_series": 0}, "max_series"),
        ({"max_body_bytes": 0}, "max_body_bytes"),
    ],
)
def test_settings_that_cannot_work_are_refused_with_the_rule(settings, rule):
    with pytest.raises(InputError, match=rule) as told:
        Connection(**{"url": "http://x", **settings})
    assert "pw" not in str(told.value).replace("password", "")


def test_a_ca_file_must_hold_certificates(tmp_path):
    (tmp_path / "ca.pem").write_text("nothing")
    for path in (tmp_path / "ca.pem", tmp_path / "missing.pem"):
        with pytest.raises(InputError, match=r"ca_file: .* must hold PEM certificates"):
            PrometheusClient(Connection("https://x", ca_file=path))


def test_no_secret_is_printed(fake):
    secrets = {"password": Secret("hush1"), "headers": {"X-Key": Secret("hush2")}, "user": "me"}
    connection = Connection(fake.url, **secrets)
    assert "hush" not in repr(connection) + str(connection)
    fake.always["*"] = Trouble(403, b'{"error":"no"}')
    with pytest.raises(Refused) as told:
        ask(fake, lambda c: c.instant("up"), **secrets)
    assert "hush" not in repr(told.value)


def test_the_library_behind_discovery_is_loaded_when_it_is_needed():
    code = (
        "import sys, aiops.sources.prometheus; print({'requests','prometheus_api_client','numba'} & set(sys.modules))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert told.stdout.strip() == "set()"
