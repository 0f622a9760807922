"""A real PostgreSQL for tests: on a port of its own, in a folder that is thrown away."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.services._aiops_process import free_port, wait_for

READY_S = 30.0
PASSWORD = "secret-word"  # noqa: S105  # of a server on loopback that lives for one test
DEBIAN = Path("/usr/lib/postgresql")
"""Debian keeps the server's programs out of the PATH."""


def postgres_program(name: str) -> str:
    """The path of a program of PostgreSQL; without it the test is skipped, under CI it fails."""
    places = [*sorted(DEBIAN.glob("*/bin"), reverse=True), *map(Path, os.environ.get("PATH", "").split(":"))]
    for place in places:
        if (place / name).is_file():
            return str(place / name)
    missing = f"{name} of PostgreSQL is not installed"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{missing}, and CI must run every service test")
    pytest.skip(missing)


@dataclass
class Postgres:
    """A server with one empty database.

    Parameters
    ----------
    folder : directly in the folder for temporary files: the user `postgres` must get to it
    """

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Address of the database."""
        return f"postgresql://aiops:{PASSWORD}@127.0.0.1:{self.port}/postgres"

    def make(self) -> None:
        """Make its files."""
        password = self.folder / "password"
        password.write_text(PASSWORD, encoding="utf-8")
        if os.getuid() == 0:
            # PostgreSQL refuses to run as root.
            shutil.chown(self.folder, "postgres", "postgres")
            shutil.chown(password, "postgres", "postgres")
        options = ["--auth=scram-sha-256", "--username=aiops", f"--pwfile={password}", "--encoding=UTF8", "--locale=C"]
        done = subprocess.run(
            _as_postgres(postgres_program("initdb"), f"--pgdata={self.folder / 'data'}", "--no-sync", *options),
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
        )
        assert done.returncode == 0, done.stderr

    def make_database(self, name: str) -> str:
        """Make one more empty database; its address."""
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')  # type: ignore[arg-type]  # names are the tests' own
        return self.url.removesuffix("postgres") + name

    def start(self) -> None:
        """Start it and wait until it answers."""
        settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "port": self.port}
        options = [f"--{name}={value}" for name, value in settings.items()]
        with (self.folder / "log").open("ab") as log:
            command = _as_postgres(postgres_program("postgres"), "-D", str(self.folder / "data"), *options)
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/")
        wait_for(self._is_ready, READY_S, lambda: f"PostgreSQL is not ready: {self.log_tail()}")

    def stop(self) -> None:
        """End it as a power cut would (SIGQUIT): its data must stand this."""
        process, self.process = self.process, None
        if process is None:
            return
        subprocess.run(
            _as_postgres(postgres_program("pg_ctl"), "-D", str(self.folder / "data"), "-m", "immediate", "-w", "stop"),
            capture_output=True,
            check=False,
            cwd="/",
        )
        process.wait(timeout=30)

    def log_tail(self, size: int = 2000) -> str:
        """The end of what it wrote."""
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")[-size:]

    def _is_ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            pytest.fail(f"PostgreSQL ended by itself: {self.log_tail()}")
        ask = [postgres_program("pg_isready"), "-h", "127.0.0.1", "-p", str(self.port), "-q"]
        return subprocess.run(ask, check=False).returncode == 0


def _as_postgres(*command: str) -> list[str]:
    become = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
    return [*become, *command]


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """A server that is ended and forgotten with the block."""
    folder = Path(tempfile.mkdtemp(prefix="aiops-postgres-"))
    server = Postgres(folder)
    try:
        server.make()
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)
