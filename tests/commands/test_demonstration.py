"""`demo`, with a short past so that it is quick; the whole of it as a new user runs it is in tests/demo."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from aiops.__main__ import main
from aiops.commands import demonstration

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def demo(monkeypatch):
    """`demo(*arguments, days=, patience_s=)`: the command line in this process; its status."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def run(*arguments, days=2, patience_s=180.0):
        short = partial(demonstration.run_demo, history_days=days, patience_s=patience_s)
        monkeypatch.setattr(demonstration, "run_demo", short)
        monkeypatch.setattr(sys, "argv", ["aiops", "demo", "--port", "0", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code

    yield run
    root.handlers[:] = handlers
    root.setLevel(level)


def test_once_ends_with_the_incident_on_the_console_and_the_page_beside_it(demo, capfd):
    assert demo("--once") == 0
    told = capfd.readouterr()
    assert told.err.startswith("page: http://127.0.0.1:")
    assert "payments v2.31.0: new card validation" in told.out
    assert "Traceback" not in told.err + told.out


def test_no_incident_in_time_is_one_line_and_status_1(demo, capfd):
    assert demo("--once", "--format", "json", patience_s=0.0) == 1
    told = capfd.readouterr()
    assert told.out == ""
    assert told.err == "aiops: no incident within 0 s\n"


def test_a_first_start_says_why_nothing_happens_for_a_while(demo, capfd, tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    assert demo("--once", patience_s=0.0) == 1
    assert capfd.readouterr().err.startswith("first start: compiling kernels, up to a minute\n")


def test_a_port_that_is_taken_is_one_line_and_status_1(demo, capfd):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert demo("--format", "json", "--port", str(port)) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"aiops: listen: 127.0.0.1:{port}: cannot listen there: Address already in use; ")
    assert "--port" in line


def started(tmp_path, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "aiops", "demo", *arguments],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
    )


def test_ctrl_c_ends_it_without_a_traceback_and_leaves_nothing_behind(tmp_path):
    with started(tmp_path, "--port", "0") as running:
        for line in running.stderr:
            if line.startswith("page: "):
                running.send_signal(signal.SIGINT)
                break
        out, err = running.communicate(timeout=30)
    assert running.returncode in (0, 130)
    assert "Traceback" not in out + err
    assert list(tmp_path.iterdir()) == []
