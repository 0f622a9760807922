"""Scrapes of a cluster as remote_write requests, and a sender that has several of them under way."""

from __future__ import annotations

import itertools
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
CONNECTIONS = 8  # as many shards as Prometheus opens for so much


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
    """

    series: int
    begin_ms: int
    requests: list[bytes]

    def scrapes(self, start: int, end: int) -> list[bytes]:
        """The requests of some scrapes."""
        each = self.series // BODY_SERIES
        return self.requests[start * each : end * each]

    def tick_ms(self, scrapes: int) -> int:
        """The last tick that closes for certain when so many scrapes have come: the one before the last."""
        return self.begin_ms + (scrapes - 2) * SCRAPE_S * 1000


def load_of(series: int, scrapes: int) -> Load:
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
    return Load(series, begin_ms, requests)


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


def send(port: int, requests: Sequence[bytes]) -> int:
    """Send all requests over several connections; how often one had to come again.

    Raises
    ------
    AssertionError : a request was refused for good
    """
    places, again = itertools.count(), [0] * CONNECTIONS
    faults: list[BaseException] = []

    def connection(number: int) -> None:
        try:
            with socket.create_connection(("127.0.0.1", port)) as one:
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while not faults and (place := next(places)) < len(requests):
                    again[number] += _sent(one, requests[place])
        except BaseException as fault:
            faults.append(fault)
            raise

    threads = [threading.Thread(target=connection, args=(n,)) for n in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults, faults
    return sum(again)


def _sent(connection: socket.socket, request: bytes) -> int:
    """Send a request until it is taken; how often it was told to come again."""
    again = 0
    while True:
        connection.sendall(request)
        answer = connection.recv(65536)
        if answer.startswith((b"HTTP/1.1 204", b"HTTP/1.1 200")):
            return again
        assert answer.startswith(b"HTTP/1.1 503"), answer
        again += 1
        time.sleep(0.05)


def _request(body: bytes) -> bytes:
    headers = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
    head = (
        f"POST /api/v1/write HTTP/1.1\r\nHost: x\r\nUser-Agent: bench\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
