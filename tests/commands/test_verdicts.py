"""`verdict` and `verdicts` against a service over HTTP and a store beside it."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest
from starlette.applications import Starlette

from aiops.errors import InputError, Unavailable
from aiops.stores import Cycle
from aiops.stores.sqlite import open_sqlite
from aiops.verdicts import VerdictBook, VerdictRules
from aiops.web._base import WebSettings
from aiops.web.app import build_app
from aiops.web.server import serve
from tests.services._aiops_process import free_port
from tests.test_policy import NOON_MS, SLOW, incident
from tests.web.conftest import FakeBackend


class Running:
    """A web server in a thread of its own."""

    def __init__(self, app: Starlette) -> None:
        self._app, self._loop = app, asyncio.new_event_loop()
        self._stop, self._up = asyncio.Event(), threading.Event()
        self.url = ""
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        self._loop.run_until_complete(serve(self._app, "127.0.0.1", 0, stop=self._stop, listening=self._listens))
        self._loop.close()

    def _listens(self, host: str, port: int) -> None:
        self.url = f"http://{host}:{port}"
        self._up.set()

    def __enter__(self):
        self._thread.start()
        assert self._up.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()


@pytest.fixture
def service(tmp_path):
    store = open_sqlite(tmp_path / "a.sqlite")
    store.commit(Cycle([incident(SLOW)]))
    backend = FakeBackend(book=VerdictBook(store, VerdictRules(), lambda: NOON_MS + 3_600_000, lambda _: None))
    with Running(build_app(backend, WebSettings())) as running:
        yield running.url, tmp_path / "a.sqlite"
    store.close()


def test_a_verdict_is_given_by_the_service_seen_in_the_store_and_undone(aiops, service):
    url, path = service
    told = aiops("verdict", "i1", "noise", "--who", "ann", "--note", "again", "--url", url)
    assert told.exit_code == 0, told.exception
    assert "  cart|latency_p95 up\n    - told\n    + told above 625 ms beyond the expected\n" in told.stdout
    assert "ann by api" in told.stdout
    listed = aiops("verdicts", "--store", path)
    assert listed.stdout == told.stdout
    (one,) = json.loads(aiops("verdicts", "--store", path, "--format", "json").stdout)["verdicts"]
    assert "undone by bob" in aiops("verdicts", "--undo", one["id"], "--who", "bob", "--url", url).stdout
    assert "undone by bob" in aiops("verdicts", "--store", path).stdout
    assert aiops("verdicts", "--store", path, "--incident", "other").stdout == "No verdict was given yet.\n"


def test_what_the_service_refuses_is_said_and_so_is_that_there_is_none(aiops, service, tmp_path):
    url, _ = service
    refused = aiops("verdict", "nope", "noise", "--who", "ann", "--url", url)
    assert isinstance(refused.exception, InputError)
    assert "there is no incident 'nope'" in str(refused.exception)
    none = aiops("verdict", "i1", "noise", "--who", "ann", "--url", f"http://127.0.0.1:{free_port()}")
    assert isinstance(none.exception, Unavailable)
    assert "aiops run" in str(none.exception)
    lost = aiops("verdict", "i1", "noise", "--who", "ann", "--token-file", tmp_path / "none", "--url", url)
    assert isinstance(lost.exception, InputError)
    assert isinstance(aiops("verdicts", "--store", tmp_path / "none").exception, InputError)
