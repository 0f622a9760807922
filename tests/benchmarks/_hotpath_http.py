"""The whole way of a remote_write request through one process on one core, against VictoriaMetrics on the same ones.

Ours does what it does in service up to the detectors: HTTP, snappy, scan, series looked up, samples scattered into
ticks, ticks closed, rates. VictoriaMetrics stores the samples, which ours does not. The sender has the other core, one
connection each, and takes turns between the two. Counted is the CPU time of each process over its turns, from /proc.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from aiops.demo.encode import HEADERS
from tests.benchmarks._table import Row, at_least, at_most
from tests.benchmarks._write_bodies import BODY_SERIES, SCRAPE_S, bodies

ROOT = Path(__file__).resolve().parents[2]
SERIES, TURNS, SCRAPES_PER_TURN = 20_000, 12, 4
WARM_TURNS = 2  # both meet the series in the first; the order of the series is learnt in the second
SETTLE_S = 0.5  # for work that goes on after the last answer: closing ticks here, merging parts there
GOAL_NS, GOAL_RATIO = 250.0, 8.0


@dataclass
class Peer:
    """A server process that is sent to over one connection."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    turns_s: list[float] = field(default_factory=list)

    def take_turn(self, requests: list[bytes]) -> None:
        """Send requests one after the other; CPU time until the last was answered and what it left behind was done."""
        before_s = self.cpu_s()
        # A new one for each turn: VictoriaMetrics hangs up on one that says nothing for some seconds.
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for request in requests:
                connection.sendall(request)
                answer = connection.recv(65536)
                assert answer.startswith(b"HTTP/1.1 204"), (self.name, answer)
        time.sleep(SETTLE_S)
        self.turns_s.append(self.cpu_s() - before_s)

    def idle_s(self) -> float:
        """CPU time of SETTLE_S in which nothing is asked."""
        before_s = self.cpu_s()
        time.sleep(4 * SETTLE_S)
        return (self.cpu_s() - before_s) / 4

    def cpu_s(self) -> float:
        """Time on a processor of all threads of the process so far; those that ended are few and early."""
        threads = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(path.read_text(encoding="ascii").split()[0]) for path in threads) / 1e9


def rows() -> list[Row]:
    """Measure."""
    requests = _requests()
    count = SERIES * SCRAPES_PER_TURN
    with tempfile.TemporaryDirectory() as folder, _ours() as ours, _victoria_metrics(Path(folder)) as peer:
        for turn in range(TURNS):
            for one in (ours, peer):
                if one is not None:
                    one.take_turn(requests[turn])
        idle_ns = ours.idle_s() / count * 1e9
        ours_ns = [s / count * 1e9 for s in ours.turns_s[WARM_TURNS:]]
        peer_ns = [s / count * 1e9 for s in peer.turns_s[WARM_TURNS:]] if peer else []
    mean_ns = sum(ours_ns) / len(ours_ns)
    found = [
        at_most("http: request to closed tick, mean", mean_ns, "ns/sample", GOAL_NS),
        Row("http: request to closed tick, best turn", min(ours_ns), "ns/sample"),
        Row("http: of it, half a second of waiting after each turn", idle_ns, "ns/sample"),
        at_least("http: samples per second of one core", 1e9 / mean_ns, "samples/s", 1e9 / GOAL_NS),
    ]
    if not peer_ns:
        return [*found, Row("http: VictoriaMetrics on the same requests", "victoria-metrics is not installed here")]
    peer_mean_ns = sum(peer_ns) / len(peer_ns)
    return [
        *found,
        Row("http: VictoriaMetrics on the same requests", peer_mean_ns, "ns/sample"),
        at_least("http: VictoriaMetrics against ours", peer_mean_ns / mean_ns, "x", GOAL_RATIO),
    ]


def _requests() -> list[list[bytes]]:
    scrapes = TURNS * SCRAPES_PER_TURN
    begin_ms = (int(time.time()) - scrapes * SCRAPE_S) // SCRAPE_S * SCRAPE_S * 1000 + 1
    made = [_request(body) for body in bodies(SERIES, [begin_ms + i * SCRAPE_S * 1000 for i in range(scrapes)])]
    each = SCRAPES_PER_TURN * -(-SERIES // BODY_SERIES)
    return [made[i : i + each] for i in range(0, len(made), each)]


def _request(body: bytes) -> bytes:
    headers = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
    head = (
        f"POST /api/v1/write HTTP/1.1\r\nHost: x\r\nUser-Agent: bench\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _pinned(command: list[str]) -> list[str]:
    return ["taskset", "--cpu-list", "0", *command] if shutil.which("taskset") else command


@contextmanager
def _ours() -> Iterator[Peer]:
    command = _pinned([sys.executable, "-m", "tests.benchmarks._write_server", str(SERIES)])
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Peer("aiops", process, int(process.stdout.readline()))
        process.stdin.close()
        health = json.loads(process.stdout.readline())
        assert health["accepted"] == SERIES * SCRAPES_PER_TURN * TURNS, health
        assert health["signals"] == SERIES, health


@contextmanager
def _victoria_metrics(folder: Path) -> Iterator[Peer | None]:
    if shutil.which("victoria-metrics") is None:
        yield None
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = _pinned(
        ["victoria-metrics", f"-storageDataPath={folder}", f"-httpListenAddr=127.0.0.1:{port}", "-loggerLevel=ERROR"]
    )
    env = os.environ | {"GOMAXPROCS": "1"}
    with (folder / "log").open("wb") as log, subprocess.Popen(command, env=env, stdout=log, stderr=log) as process:
        try:
            _wait_until_ready(port, process)
            yield Peer("victoria-metrics", process, port)
        finally:
            process.terminate()


def _wait_until_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert process.poll() is None, "victoria-metrics ended"
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise SystemExit("victoria-metrics is not ready after 30 s")
