"""Workers of the service on a real Kafka and a real PostgreSQL, each a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.services._aiops_process import free_port, wait_for


@dataclass
class WorkerProcess:
    """`aiops run --role ...`.

    Parameters
    ----------
    name : of its folder and log
    settings : YAML text without `listen`
    """

    name: str
    folder: Path
    roles: tuple[str, ...]
    settings: str
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Address without a path."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the process; does not wait for it."""
        home = self.folder / self.name
        home.mkdir(exist_ok=True)
        config = home / "aiops.yaml"
        config.write_text(f"listen: {{port: {self.port}}}\n{self.settings}", encoding="utf-8")
        roles = [option for role in self.roles for option in ("--role", role)]
        with (home / "log").open("ab") as log:
            command = [sys.executable, "-m", "aiops", "run", "--config", str(config), *roles]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=home)

    def wait_ready(self, limit_s: float = 120.0) -> None:
        """Wait until it takes requests."""
        wait_for(self._is_ready, limit_s, lambda: f"{self.name} is not ready: {self.log_tail()}")

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        if self.process is not None:
            self.process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.wait()

    def terminate(self, limit_s: float) -> int:
        """SIGTERM; the exit status. Raises TimeoutExpired when it takes longer than `limit_s`."""
        assert self.process is not None
        process, self.process = self.process, None
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(timeout=limit_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    def metrics(self, limit_s: float = 10.0) -> dict[str, float]:
        """Its metrics by name and labels."""
        text = httpx.get(self.url + "/metrics", timeout=limit_s).text
        pairs = (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def log_tail(self, size: int = 3000) -> str:
        """The end of what it wrote."""
        return (self.folder / self.name / "log").read_text(encoding="utf-8", errors="replace")[-size:]

    def _is_ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise ChildProcessError(f"{self.name} ended with {self.process.returncode}: {self.log_tail()}")
        try:
            return httpx.get(self.url + "/-/ready", timeout=2.0).is_success
        except httpx.TransportError:
            return False
