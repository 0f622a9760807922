"""Workers as forks of one process that has loaded everything: a start costs a moment instead of ten processor seconds.

They are processes of their own in all that matters here, with their own pid, log and signals. Imported by the fork
server of multiprocessing, and by it alone, this module loads what a worker needs.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

from tests.services._kafka_workers import WorkerProcess


def forks() -> ForkServerContext:
    """What starts workers."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


class Forked:
    """A fork in the words of `subprocess.Popen`."""

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process

    @property
    def returncode(self) -> int | None:
        """How it ended, None = it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """The same."""
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it is there."""
        if self._process.exitcode is None and self._process.pid:
            os.kill(self._process.pid, number)

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()

    def wait(self, timeout: float | None = None) -> int:
        """Its status, once it has ended."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(str(self._process.name), timeout or 0.0)
        return self._process.exitcode


@dataclass
class ForkedWorker(WorkerProcess):
    """`aiops run --role ...` without its imports."""

    def start(self) -> None:
        """Start the process; does not wait for it."""
        home = self.folder / self.name
        home.mkdir(exist_ok=True)
        config = home / "aiops.yaml"
        config.write_text(f"listen: {{port: {self.port}}}\n{self.settings}", encoding="utf-8")
        process = forks().Process(target=_work, args=(config, self.roles), name=self.name, daemon=True)
        process.start()
        self.process = Forked(process)  # type: ignore[assignment]  # it has what is used of a Popen


def _work(config: Path, roles: tuple[str, ...]) -> None:
    with (config.parent / "log").open("ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    os.chdir(config.parent)
    from aiops.__main__ import main

    sys.argv = ["aiops", "run", "--config", str(config), *(option for role in roles for option in ("--role", role))]
    main()


def _load() -> None:
    from aiops._kernel_cache import use_own_cache

    use_own_cache()
    import faust.transport.drivers.aiokafka
    import psycopg

    import aiops.cli
    import aiops.commands.service
    import aiops.runners.kafka
    import aiops.workers
    from aiops._kernels import compile_kernels

    compile_kernels()
    assert all((faust, psycopg, aiops))


if multiprocessing.process.current_process().name == "MainProcess" and "forkserver" in " ".join(sys.orig_argv):
    _load()
