"""Real programs for tests: started on free ports of this machine in folders of their own, stopped by their pid."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.services._aiops_process import free_port, wait_for

READY_S = 30.0  # a loaded machine with two cores needs 5


def program(*names: str) -> str:
    """The path of the first of these programs that is installed; without one the test is skipped, under CI it fails."""
    for name in names:
        if path := shutil.which(name):
            return path
    missing = f"{' or '.join(names)} is not installed"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{missing}, and CI must run every service test")
    pytest.skip(missing)


@dataclass
class Server:
    """A program that serves HTTP.

    Parameters
    ----------
    command : program and options, without the address
    folder : where it runs; its output goes to `log` in it
    ready_path : answers 2xx (or 401, to those who do not know the password) when the program is ready
    ca_file : the certificate to trust; None = it speaks plain HTTP
    """

    command: Sequence[str]
    folder: Path
    ready_path: str = "/-/ready"
    ca_file: Path | None = None
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Address without a path."""
        return f"{'https' if self.ca_file else 'http'}://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it is ready; a server that was stopped starts again on the same port and data."""
        with (self.folder / "log").open("ab") as log:
            command = [*self.command, f"--web.listen-address=127.0.0.1:{self.port}"]
            self.process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)
        wait_for(self._is_ready, READY_S, lambda: f"{self.command[0]} is not ready: {self.log_tail()}")

    def stop(self) -> None:
        """Ask it to end (SIGTERM), kill it if it does not."""
        process, self.process = self.process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def log_tail(self, size: int = 2000) -> str:
        """The end of what it wrote."""
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")[-size:]

    def _is_ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            pytest.fail(f"{self.command[0]} ended by itself: {self.log_tail()}")
        trust = ssl.create_default_context(cafile=self.ca_file) if self.ca_file else True
        try:
            answer = httpx.get(self.url + self.ready_path, timeout=1.0, verify=trust)
        except httpx.TransportError:
            return False
        return answer.is_success or answer.status_code == httpx.codes.UNAUTHORIZED


def prometheus_server(
    folder: Path, config: str, *options: str, ca_file: Path | None = None, port: int | None = None
) -> Server:
    """A Prometheus that is not started yet, with its configuration written to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prometheus.yaml").write_text(config, encoding="utf-8")
    command = [program("prometheus"), "--config.file=prometheus.yaml", "--storage.tsdb.path=data", *options]
    return Server(command, folder, ca_file=ca_file, port=port or free_port())


def alertmanager_server(folder: Path, config: str, *options: str) -> Server:
    """An Alertmanager that is not started yet, without a cluster, with its configuration written to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "alertmanager.yaml").write_text(config, encoding="utf-8")
    name = program("prometheus-alertmanager", "alertmanager")
    fixed = ["--config.file=alertmanager.yaml", "--storage.path=data", "--cluster.listen-address="]
    return Server([name, *fixed, *options], folder)
