"""Fixtures that start real programs and stop them after the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.services._servers import Server, alertmanager_server, prometheus_server


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """`prometheus(config, *options, folder=, ca_file=, port=)` starts a Prometheus and gives its `Server`."""
    started: list[Server] = []

    def start(
        config: str,
        *options: str,
        folder: Path | None = None,
        ca_file: Path | None = None,
        port: int | None = None,
    ) -> Server:
        place = folder or tmp_path / f"prometheus{len(started)}"
        server = prometheus_server(place, config, *options, ca_file=ca_file, port=port)
        started.append(server)
        server.start()
        return server

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """`alertmanager(config, *options)` starts an Alertmanager and gives its `Server`."""
    started: list[Server] = []

    def start(config: str, *options: str) -> Server:
        server = alertmanager_server(tmp_path / f"alertmanager{len(started)}", config, *options)
        started.append(server)
        server.start()
        return server

    yield start
    for server in started:
        server.stop()
