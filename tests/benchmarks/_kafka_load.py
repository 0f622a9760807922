"""Scrapes of a cluster as remote_write requests, and a sender that has several of them under way."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import cramjam
import numpy as np

from aiops.demo.encode import HEADERS, compress, encode_block, key_of
from aiops.model import F64, Labels
from aiops.sources._pushed_samples import varint
from tests.benchmarks._write_bodies import BODY_SERIES, SCRAPE_S, labels_in_pod

METRIC = "app_requests_total"
SERIES_PER_POD = 50
_SAMPLE_BYTES = 18


def labels_of_series(i: int) -> Labels:
    """Twelve labels, as long as usual (270 bytes on the wire); each pod of a service has 50 series."""
    return labels_in_pod(i // SERIES_PER_POD, METRIC, ("handler", f"/api/v1/resource-{i % SERIES_PER_POD}"))


@dataclass(frozen=True, slots=True)
class Load:
    """Scrapes made ahead of their use, as one request for each 2,000 series.

    Parameters
    ----------
    series : a whole number of requests
    begin_ms : of the first scrape, on a whole step
    late_steps : how much later than others a sample may come
    """

    series: int
    begin_ms: int
    requests: list[bytes]
    late_steps: int = 1

    def scrapes(self, start: int, end: int) -> list[bytes]:
        """The requests of some scrapes."""
        each = self.series // BODY_SERIES
        return self.requests[start * each : end * each]

    def tick_ms(self, scrapes: int) -> int:
        """The last tick that closes for certain when so many scrapes have come."""
        return self.begin_ms + (scrapes - 1 - self.late_steps) * SCRAPE_S * 1000


def load_of(series: int, scrapes: int, late_steps: int = 1) -> Load:
    """So many scrapes of counters, the last one about now."""
    begin_ms = (int(time.time()) - scrapes * SCRAPE_S) // SCRAPE_S * SCRAPE_S * 1000
    keys = [key_of(labels_of_series(i)) for i in range(series)]
    templates = [_Template(keys[start : start + BODY_SERIES]) for start in range(0, series, BODY_SERIES)]
    rng, requests = np.random.default_rng(1), list[bytes]()
    totals = rng.integers(0, 1_000_000, series).astype(np.float64)
    for scrape in range(scrapes):
        totals += rng.poisson(50.0, series)
        time_ms, parts = begin_ms + scrape * SCRAPE_S * 1000, totals.reshape(-1, BODY_SERIES)
        requests += [_request(one.body(time_ms, part)) for one, part in zip(templates, parts, strict=True)]
    return Load(series, begin_ms, requests, late_steps)


class _Template:
    """A body of which only times and values are written anew: labels are most of it and always the same."""

    def __init__(self, keys: list[bytes]) -> None:
        first = encode_block(keys, np.array([1_700_000_000_000]), np.zeros((1, len(keys))))
        self._plain = np.frombuffer(cramjam.snappy.decompress_raw(first), np.uint8).copy()
        sizes = [len(key) + _SAMPLE_BYTES for key in keys]
        ends = np.cumsum([1 + len(varint(size)) + size for size in sizes])[:, None]
        self._values, self._times = ends - 15 + np.arange(8), ends - 6 + np.arange(6)

    def body(self, time_ms: int, values: F64) -> bytes:
        """The series at that time."""
        self._plain[self._values] = values.view(np.uint8).reshape(-1, 8)
        self._plain[self._times] = time_ms >> 7 * np.arange(6) & 127 | np.array([128] * 5 + [0])
        return compress(self._plain.tobytes())


def send(port: int, requests: Sequence[bytes], connections: int = 8, ahead: int = 1_000_000) -> list[float]:
    """Send all requests over several connections; seconds until each was answered.

    Parameters
    ----------
    ahead : the earliest request without an answer is overtaken by those so many places after it, and no others

    Raises
    ------
    AssertionError : a request was refused for good
    """
    order, took_s = _Order(len(requests), ahead), list[float]()
    faults: list[BaseException] = []

    def connection() -> None:
        try:
            with socket.create_connection(("127.0.0.1", port)) as one:
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while (place := order.take()) is not None:
                    began_s = time.monotonic()
                    _send_one(one, requests[place])
                    took_s.append(time.monotonic() - began_s)
                    order.answered(place)
        except BaseException as fault:
            faults.append(fault)
            order.end()
            raise

    threads = [threading.Thread(target=connection) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults, faults
    return took_s


class _Order:
    """Gives out places of requests; those that answer slowly are waited for before they come too late."""

    def __init__(self, count: int, ahead: int) -> None:
        self._count, self._ahead = count, ahead
        self._next = self._earliest = 0
        self._answered = set[int]()
        self._moved = threading.Condition()

    def take(self) -> int | None:
        """The next place, once it may be sent; None at the end."""
        with self._moved:
            self._moved.wait_for(lambda: self._next >= self._count or self._next <= self._earliest + self._ahead)
            if self._next >= self._count:
                return None
            self._next += 1
            return self._next - 1

    def answered(self, place: int) -> None:
        """A request is done."""
        with self._moved:
            self._answered.add(place)
            while self._earliest in self._answered:
                self._answered.remove(self._earliest)
                self._earliest += 1
            self._moved.notify_all()

    def end(self) -> None:
        """Give out no more."""
        with self._moved:
            self._next = self._count
            self._moved.notify_all()


def _send_one(connection: socket.socket, request: bytes) -> None:
    """Send a request until it is taken."""
    while True:
        connection.sendall(request)
        answer = connection.recv(65536)
        if answer.startswith((b"HTTP/1.1 204", b"HTTP/1.1 200")):
            return
        assert answer.startswith(b"HTTP/1.1 503"), answer
        time.sleep(0.05)


def _request(body: bytes) -> bytes:
    headers = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
    head = (
        f"POST /api/v1/write HTTP/1.1\r\nHost: x\r\nUser-Agent: bench\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
