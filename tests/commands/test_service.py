"""A service that runs until something ends it; the whole one as a process of its own is in `test_setup`."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys

import pytest

from aiops._kernels import compile_kernels
from aiops.commands import service as command
from aiops.commands.service import run_service, until_signal
from aiops.errors import ConfigError, StoreError


class FakeService:
    """Takes requests at once, then does `then()` and runs until it is stopped."""

    def __init__(self, then):
        self.then = then
        self.ended = False

    async def run(self, stop, listening):
        listening("127.0.0.1", 8080)
        self.then()
        async with asyncio.timeout(10):
            await stop.wait()
        self.ended = True


@pytest.fixture
def as_before():
    """The signals' own handling in this process, which must be as it was."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    yield
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


@pytest.fixture
def own_logging():
    """What a command sets up for its process must not outlive the test."""
    root, interval_s = logging.getLogger(), sys.getswitchinterval()
    handlers, level = root.handlers[:], root.level
    yield
    sys.setswitchinterval(interval_s)
    gc.unfreeze()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.usefixtures("as_before")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_service_in_its_own_time(number, caplog):
    caplog.set_level(logging.INFO, logger="aiops")
    heard = []
    service = FakeService(lambda: os.kill(os.getpid(), number))
    asyncio.run(until_signal(service, lambda *address: heard.append(address)))
    assert service.ended
    assert heard == [("127.0.0.1", 8080)]
    assert "stopped" in caplog.messages


@pytest.mark.usefixtures("as_before")
def test_a_caller_may_stop_it_too_and_has_its_signals_back_then():
    async def go():
        stop, before = asyncio.Event(), signal.getsignal(signal.SIGTERM)
        service = FakeService(stop.set)
        await until_signal(service, lambda *_: None, stop)
        assert signal.getsignal(signal.SIGTERM) == before
        return service

    assert asyncio.run(go()).ended


@pytest.mark.usefixtures("as_before")
def test_a_fault_comes_through_and_is_not_said_to_be_a_stop(caplog):
    caplog.set_level(logging.INFO, logger="aiops")

    def fault():
        raise StoreError("disk is full")

    with pytest.raises(StoreError, match="disk is full"):
        asyncio.run(until_signal(FakeService(fault), lambda *_: None))
    assert "stopped" not in caplog.messages


@pytest.mark.usefixtures("as_before", "own_logging")
def test_a_configuration_is_run_and_says_where_it_listens(tmp_path, capfd):
    path = tmp_path / "aiops.yaml"
    path.write_text("listen: {port: 0}\nnotifiers: []\nlog_level: info\n")
    with EndingWhen(logging.getLogger(command.__name__), "listening"):
        run_service(path)
    assert (tmp_path / "aiops.sqlite").is_file()  # beside the configuration, wherever the process was started
    logged = capfd.readouterr().err
    assert "url=http://127.0.0.1:" in logged
    assert "token_file" not in logged
    assert "stopped" in logged
    assert gc.get_freeze_count() > 0, "the collector does not look through what was imported again"


@pytest.mark.usefixtures("as_before", "own_logging")
def test_a_service_that_lets_everybody_ask_says_so(tmp_path, capfd):
    path = tmp_path / "aiops.yaml"
    path.write_text("listen: {port: 0, host: 0.0.0.0}\nnotifiers: []\nlog_level: info\n")
    with EndingWhen(logging.getLogger(command.__name__), "listening"):
        run_service(path)
    assert "host=0.0.0.0: listen.token_file is not set" in capfd.readouterr().err


class EndingWhen(logging.Handler):
    """Sends this process SIGTERM when a line begins so."""

    def __init__(self, logger, begins):
        super().__init__()
        self.logger, self.begins = logger, begins

    def emit(self, record):
        if record.getMessage().startswith(self.begins):
            os.kill(os.getpid(), signal.SIGTERM)

    def __enter__(self):
        self.logger.addHandler(self)

    def __exit__(self, *_):
        self.logger.removeHandler(self)


@pytest.mark.parametrize("is_first", [True, False])
def test_only_a_first_start_says_that_kernels_are_compiled(tmp_path, monkeypatch, caplog, is_first):
    compile_kernels()  # into memory, so that what follows takes no time
    caplog.set_level(logging.INFO, logger="aiops")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    if not is_first:
        compile_kernels()
        caplog.clear()
    compile_kernels()
    assert [m.split(",")[0] for m in caplog.messages] == ["compiling kernels"] * is_first


@pytest.mark.usefixtures("own_logging")
def test_a_configuration_that_is_wrong_starts_nothing(tmp_path):
    path = tmp_path / "aiops.yaml"
    path.write_text("graph: {file: none.yaml}\n")
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        run_service(path)
