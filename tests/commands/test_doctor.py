"""`doctor` on services that lack this or that."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import pytest

from aiops.commands import doctor
from aiops.errors import InputError
from aiops.stores.sqlite import open_sqlite
from aiops.web._base import WebSettings
from aiops.web.app import build_app
from tests.commands.test_verdicts import Running
from tests.runners._world import World
from tests.services._aiops_process import free_port
from tests.sources._fake_prometheus import FakePrometheus, serve
from tests.web.conftest import FakeBackend


@pytest.fixture
def checks(aiops, tmp_path):
    """What the doctor says of a configuration, by the name of the check."""

    def of(text):
        (tmp_path / "aiops.yaml").write_text(text)
        told = aiops("doctor", "--config", tmp_path / "aiops.yaml", "--format", "json")
        found = {c["name"]: c for c in json.loads(told.stdout)}
        wrong = any(c["state"] == "wrong" for c in found.values())
        assert isinstance(told.exception, InputError) == wrong
        return found

    return of


def nowhere():
    return f"listen: {{port: {free_port()}}}"


def test_a_configuration_that_is_wrong_is_the_only_thing_to_look_at(checks):
    assert list(checks("nope: 1")) == ["configuration"]


def test_a_service_that_was_never_started_is_fine_but_does_not_answer(checks):
    found = checks(nowhere())
    states = {name: check["state"] for name, check in found.items()}
    assert states == {"configuration": "ok", "disk": "ok", "store": "ok", "receivers": "ok", "service": "warning"}
    assert "aiops run" in found["service"]["todo"]


@pytest.mark.parametrize(
    ("host", "is_open"),
    [("0.0.0.0", True), ("::", True), ("aiops", True), ("127.0.0.2", False), ("::1", False)],  # noqa: S104 nothing listens
)
def test_who_lets_everybody_ask_is_told(checks, tmp_path, host, is_open):
    listen = f"port: {free_port()}, host: '{host}'"
    assert ("access" in checks(f"listen: {{{listen}}}")) is is_open
    (tmp_path / "token").write_text("s3cret")
    assert "access" not in checks(f"listen: {{{listen}, token_file: token}}")


def test_who_has_no_source_and_no_receiver_is_told(checks):
    found = checks(f"{{push: {{enabled: false}}, notifiers: [], {nowhere()}}}")
    assert (found["sources"]["state"], found["receivers"]["state"]) == ("wrong", "wrong")
    assert found["graph"]["state"] == "warning"


def test_a_full_disk_is_wrong(checks, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10 * 2**20))
    assert checks(nowhere())["disk"]["said"] == "10 MiB are free"


def test_the_store_says_what_waits_and_what_was_given_up(checks, tmp_path):
    World(tmp_path / "aiops.sqlite").run()
    found = checks(nowhere())
    assert found["store"]["said"].startswith("1 incidents, 0 of them active")
    assert found["delivery"]["said"] == "nothing waits, nothing was given up"
    store = open_sqlite(tmp_path / "aiops.sqlite")
    keys = [row.notification.key for row in store.outgoing(store.incidents()[0].id)]
    store.dead(keys[0], "HTTP 404")
    assert store.put_back(keys, 5) == 1
    store.close()
    assert checks(nowhere())["delivery"]["said"] == "notifications are on their way"
    store = open_sqlite(tmp_path / "aiops.sqlite")
    store.retry_at(keys[0], 0, "HTTP 500")
    store.close()
    assert checks(nowhere())["delivery"]["said"] == "pager does not take notifications: HTTP 500"
    store = open_sqlite(tmp_path / "aiops.sqlite")
    store.dead(keys[0], "HTTP 404")
    store.close()
    found = checks(nowhere())["delivery"]
    assert (found["state"], "--replay" in found["todo"]) == ("warning", True)


def test_a_damaged_store_is_wrong(checks, tmp_path):
    (tmp_path / "aiops.sqlite").write_bytes(b"no database" * 100)
    assert checks(nowhere())["store"]["state"] == "wrong"


def test_a_prometheus_that_is_not_there_is_wrong(checks):
    url = f"http://127.0.0.1:{free_port()}"
    found = checks(f"{{prometheus: [{{url: '{url}', name: p, timeout_s: 1}}], {nowhere()}}}")
    assert found["prometheus p"]["state"] == "wrong"


def test_a_prometheus_of_which_nothing_is_watched_is_wrong_and_its_clock_is_compared(checks):
    fake = FakePrometheus()
    fake.series["strange_metric"] = [({"__name__": "strange_metric"}, lambda _: "1")]
    stop = serve(fake)
    try:
        found = checks(f"{{prometheus: [{{url: '{fake.url}', name: p}}], {nowhere()}}}")
    finally:
        stop()
    assert found["prometheus p"]["state"] in ("ok", "wrong")
    if found["prometheus p"]["state"] == "ok":
        assert found["prometheus p signals"]["state"] == "wrong"


def test_what_the_running_service_says_of_itself_comes_with_advice(checks):
    backend = FakeBackend(reasons=["store: disk is full"], concerns=["service cart: no samples"])
    with Running(build_app(backend, WebSettings())) as running:
        port = running.url.rsplit(":", 1)[1]
        found = checks(f"listen: {{port: {port}}}")
        assert found["service, store"]["state"] == "wrong"
        assert "refused with 503" in found["service, store"]["todo"]
        assert (found["service, cart" if "service, cart" in found else "service, service cart"]["state"]) == "warning"
        backend.reasons, backend.concerns = [], []
        assert checks(f"listen: {{port: {port}}}")["service"]["said"] == "is ready"


@pytest.mark.parametrize(
    ("part", "reason", "said"),
    [
        ("prom", "starting", "wait;"),
        ("prom", "no samples for 3 min", "targets are up"),
        ("prom", "HTTP 401", "credentials"),
        ("receiver chat", "HTTP 500", "dead letter"),
        ("service cart", "no samples", "taken away"),
        ("clock", "was set back", "NTP"),
        ("detection", "one cycle", "load"),
        ("dead letters", "2 will", "--replay"),
    ],
)
def test_every_part_has_its_advice(part, reason, said):
    assert said in doctor.advice(part, reason)


def test_people_read_it_as_lines(aiops, tmp_path):
    (tmp_path / "aiops.yaml").write_text(nowhere())
    told = aiops("doctor", "--config", tmp_path / "aiops.yaml").stdout
    assert "  ok     configuration: " in told
    assert "WARNING  service: does not answer" in told
    assert "         -> `aiops run --config`" in told
