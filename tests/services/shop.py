"""A small shop of real HTTP processes: callers really call callees, and each shows its metrics to Prometheus.

    gateway -> checkout -> payments -> database
    gateway -> cart ------------------> database

Run as a program it is one service, or the load: `python shop.py payments PORTS`, `python shop.py load PORTS`, where
PORTS is JSON {"gateway": 8001, ...}. `LiveShop` starts and ends them all.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest

CALLS: dict[str, tuple[str, ...]] = {
    "gateway": ("checkout", "cart"),
    "checkout": ("payments",),
    "payments": ("database",),
    "cart": ("database",),
    "database": (),
}
OWN_S = {"gateway": 0.002, "checkout": 0.006, "payments": 0.012, "cart": 0.004, "database": 0.004}
FAULTS = ("latency", "errors", "crash", "saturation", "dependency errors")
REQUESTS_PER_S = 24.0  # enough that a rate over a few seconds is steady, little enough for a small machine
_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5)


class Metrics:
    """What one service shows: its own requests as OpenTelemetry names them, its calls as a service graph does."""

    def __init__(self, name: str) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        graph = "traces_service_graph_request"
        edge, own = ("client", "server"), ("service_name", "http_response_status_code")
        self.served = Histogram(
            "http_server_request_duration_seconds", "Requests served.", own, buckets=_BOUNDS_S, registry=self.registry
        )
        self.calls = Counter(graph, "Calls made.", edge, registry=self.registry)
        self.failed = Counter(f"{graph}_failed", "Calls that failed.", edge, registry=self.registry)
        self.took = Histogram(
            f"{graph}_client_seconds", "Time of calls.", edge, buckets=_BOUNDS_S, registry=self.registry
        )
        for code in ("200", "500"):
            self.served.labels(name, code)
        for callee in CALLS[name]:
            self.calls.labels(name, callee)
            self.failed.labels(name, callee)


class Node(ThreadingHTTPServer):
    """One service. `fault` is what is wrong with it now, "" = nothing."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, name: str, ports: dict[str, int]) -> None:
        super().__init__(("127.0.0.1", ports[name]), Handler)
        self.name, self.ports, self.fault = name, ports, ""
        self.metrics = Metrics(name)
        self.rng = random.Random(name)
        self.worker = threading.Lock()

    def serve(self, path: str) -> bool:
        """Do the work of one request; tell whether it went well."""
        began = time.perf_counter()
        well = self.work()
        wanted = [c for c in CALLS[self.name] if self.name != "gateway" or path == f"/{c}"]
        answers = [self.call(callee) for callee in wanted]  # all are called, whatever the first one says
        well = well and all(answers)
        self.metrics.served.labels(self.name, "200" if well else "500").observe(time.perf_counter() - began)
        return well

    def work(self) -> bool:
        own_s = OWN_S[self.name] * self.rng.lognormvariate(0, 0.3)
        if self.fault == "latency":
            own_s += 0.25
        if self.fault == "saturation":  # one worker is left: requests queue behind a slow processor
            with self.worker:
                _burn(0.008)
                own_s += 0.024  # with the burn 0.036 s at 24 requests per second: busy nine tenths of the time
                time.sleep(own_s)
        else:
            time.sleep(own_s)
        failing = {"errors": 0.4, "dependency errors": 0.8}.get(self.fault, 0.0)
        return self.rng.random() >= failing

    def call(self, callee: str) -> bool:
        began = time.perf_counter()
        well = fetch(self.ports[callee], f"/{self.name}") == 200
        self.metrics.calls.labels(self.name, callee).inc()
        self.metrics.took.labels(self.name, callee).observe(time.perf_counter() - began)
        if not well:
            self.metrics.failed.labels(self.name, callee).inc()
        return well


class Handler(BaseHTTPRequestHandler):
    server: Node

    def do_GET(self) -> None:
        if self.path == "/metrics":
            self.answer(200, generate_latest(self.server.metrics.registry))
        elif self.path == "/ready":
            self.answer(200, b"ready")
        else:
            self.answer(200 if self.server.serve(self.path) else 500, b"")

    def do_POST(self) -> None:
        fault = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        if fault == "crash":
            os._exit(137)
        self.server.fault = fault
        self.answer(200, b"")

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the name is the base class's
        """Nobody reads it."""


def _burn(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(200))


def fetch(port: int, path: str, *, method: str = "GET", body: str = "") -> int:
    """The status of a request to a service of this machine; 0 = no answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3)
    try:
        connection.request(method, path, body=body.encode())
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        return 0
    else:
        return answer.status
    finally:
        connection.close()


def load(ports: dict[str, int]) -> None:
    """Send requests to the gateway at a steady rate, each from its own thread so that slow ones hold up nobody."""
    rng = random.Random(1)
    due = time.monotonic()
    while True:
        due += rng.expovariate(REQUESTS_PER_S)
        time.sleep(max(due - time.monotonic(), 0))
        path = "/checkout" if rng.random() < 0.6 else "/cart"
        threading.Thread(target=fetch, args=(ports["gateway"], path), daemon=True).start()


@dataclass
class LiveShop:
    """All services and their load, as processes of this machine."""

    ports: dict[str, int] = field(default_factory=lambda: _free_ports(tuple(CALLS)))
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __enter__(self) -> Self:
        for name in CALLS:
            self._start(name)
        for name in CALLS:
            self._wait_ready(name)
        self._start("load")
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait()

    def break_(self, service: str, fault: str) -> None:
        """Switch a fault on. A crash ends the process."""
        fetch(self.ports[service], "/fault", method="POST", body=fault)
        if fault == "crash":
            self.processes[service].wait(timeout=10)

    def heal(self, service: str) -> None:
        """Switch faults off; a process that is gone is started again on its port."""
        if self.processes[service].poll() is not None:
            self._start(service)
            self._wait_ready(service)
        fetch(self.ports[service], "/fault", method="POST", body="")

    def scrape_configs(self) -> str:
        """The shop as `scrape_configs` of a Prometheus, one job per service."""
        jobs = [
            f"  - job_name: {name}\n    static_configs:\n      - targets: ['127.0.0.1:{port}']"
            for name, port in self.ports.items()
        ]
        return "\n".join(["scrape_configs:", *jobs, ""])

    def _start(self, name: str) -> None:
        command = [sys.executable, str(Path(__file__)), name, json.dumps(self.ports)]
        self.processes[name] = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # a caller that gives up makes the server print a traceback
        )

    def _wait_ready(self, name: str) -> None:
        give_up = time.monotonic() + 20
        while fetch(self.ports[name], "/ready") != 200:
            if time.monotonic() > give_up:
                raise TimeoutError(f"{name} does not answer")
            time.sleep(0.05)


def _free_ports(names: tuple[str, ...]) -> dict[str, int]:
    sockets = {name: socket.create_server(("127.0.0.1", 0)) for name in names}
    ports = {name: s.getsockname()[1] for name, s in sockets.items()}
    for s in sockets.values():
        s.close()
    return ports


if __name__ == "__main__":
    name, ports = sys.argv[1], json.loads(sys.argv[2])
    if name == "load":
        load(ports)
    else:
        Node(name, ports).serve_forever()
