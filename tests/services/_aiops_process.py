"""`aiops run` as a process of its own, on a port and folder of its own."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

import httpx


class AiopsProcess:
    """Starts the service with a configuration, as often as wanted; its store and log stay in `folder`.

    Parameters
    ----------
    folder : where configuration, store and log are written
    settings : YAML text without `listen` and `store`
    port : where it listens; None = any free one
    """

    def __init__(self, folder: Path, settings: str, *, port: int | None = None) -> None:
        self.folder, self.port = folder, port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.config = folder / "aiops.yaml"
        place = f"listen: {{port: {self.port}}}\nstore: {{path: '{folder / 'aiops.sqlite'}'}}\n"
        self.config.write_text(place + settings, encoding="utf-8")
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start the process; does not wait for it."""
        command = [sys.executable, "-m", "aiops", "run", "--config", str(self.config)]
        with (self.folder / "aiops.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)

    def wait_ready(self, limit_s: float = 60.0) -> None:
        """Wait until the service says it is ready."""
        process = self.process
        assert process is not None
        wait_for(
            lambda: process.poll() is not None or self.answers("/-/ready"),
            limit_s,
            lambda: f"not ready: {self.log_tail()}",
        )
        if process.poll() is not None:
            raise ChildProcessError(f"ended with {process.returncode} before it was ready: {self.log_tail()}")

    def answers(self, path: str) -> bool:
        """Tell whether a GET is answered with 2xx."""
        try:
            return httpx.get(self.url + path, timeout=2.0).is_success
        except httpx.TransportError:
            return False

    def get(self, path: str) -> Any:
        """The JSON of a GET."""
        answer = httpx.get(self.url + path, timeout=10.0)
        answer.raise_for_status()
        return answer.json()

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def terminate(self, limit_s: float) -> int:
        """SIGTERM; the exit status. Raises TimeoutExpired when it takes longer than `limit_s`."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=limit_s)

    def log_tail(self, size: int = 3000) -> str:
        """The end of what the service wrote."""
        return (self.folder / "aiops.log").read_text(encoding="utf-8", errors="replace")[-size:]


def free_port() -> int:
    """A port of this machine that nobody has just now."""
    with socket.create_server(("127.0.0.1", 0)) as s:
        return int(s.getsockname()[1])


def wait_for(is_so: Any, limit_s: float, otherwise: Any, *, every_s: float = 0.05) -> float:
    """Ask `is_so()` until it is true; the seconds it took. Raises TimeoutError with `otherwise()`.

    A real process on a real clock cannot be told to move on: this is the one place of these tests that sleeps.
    """
    began = time.monotonic()
    while not is_so():
        if time.monotonic() - began > limit_s:
            raise TimeoutError(otherwise())
        time.sleep(every_s)
    return time.monotonic() - began
