"""A real Prometheus that holds a few minutes of series whose rates are known."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

NOW_S = 1_700_000_400
"""A time that is a multiple of the step, so that rates are not extrapolated."""

STEP_S = 15


@dataclass
class RealPrometheus:
    """Queries at the end of the recorded time."""

    url: str
    client: httpx.Client

    def answer(self, query: str) -> list[tuple[dict[str, str], float]]:
        reply = self.client.post(f"{self.url}/api/v1/query", data={"query": query, "time": NOW_S})
        body = reply.json()
        assert reply.status_code == 200, f"{body['error']}\n{query}"
        return [(one["metric"], float(one["value"][1])) for one in body["data"]["result"]]


def recorded(series: dict[str, float], now_s: int) -> str:
    """OpenMetrics text: `_total`, `_bucket` and `_count` grow by the given rate, gauges have the given value."""
    lines = []
    for number, (name, value) in enumerate(series.items()):
        grows = name.split("{")[0].endswith(("_total", "_bucket", "_count"))
        for at_s in range(now_s - 600, now_s + 1, STEP_S):
            # High enough that no rate is cut off at zero.
            now = 1e6 + number + value * (at_s - now_s) if grows else value
            lines.append(f"{name} {now!r} {at_s}")
    return "\n".join([*lines, "# EOF\n"])


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., RealPrometheus]]:
    """Start a Prometheus with the given series; all are stopped at the end."""
    for program in ("prometheus", "promtool"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    running: list[subprocess.Popen[bytes]] = []
    clients: list[httpx.Client] = []

    def start(series: dict[str, float], now_s: int = NOW_S) -> RealPrometheus:
        folder = tmp_path_factory.mktemp("prometheus")
        (folder / "in.om").write_text(recorded(series, now_s))
        (folder / "prometheus.yml").write_text("scrape_configs: []\n")
        blocks = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(folder / "in.om"), str(folder / "data")]
        subprocess.run(blocks, check=True, capture_output=True)
        process, url = _started(folder)
        running.append(process)
        _wait_until_ready(url, process)
        clients.append(httpx.Client())
        return RealPrometheus(url, clients[-1])

    yield start
    for client in clients:
        client.close()
    for process in running:
        process.terminate()
        process.wait(timeout=20)


def _started(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {
        "config.file": folder / "prometheus.yml",
        "storage.tsdb.path": folder / "data",
        "storage.tsdb.retention.time": "100y",
        "web.listen-address": f"127.0.0.1:{port}",
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["prometheus", *(f"--{k}={v}" for k, v in options.items())], stdout=log, stderr=log)
    return process, f"http://127.0.0.1:{port}"


def _wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        assert process.poll() is None, "prometheus ended"
        try:
            if httpx.get(f"{url}/-/ready").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)  # a process is starting; there is no clock to move
    raise AssertionError("prometheus is not ready after 30 s")
