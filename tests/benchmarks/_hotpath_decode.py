"""A remote_write body to arrays, in one thread: nanoseconds of CPU per sample, the best of many interleaved rounds."""

from __future__ import annotations

import time
from collections.abc import Callable

import cramjam
import numpy as np

from aiops.demo.encode import HEADERS
from aiops.sources import _wire_scan as v1
from aiops.sources._fingerprint import SLACK_BYTES
from aiops.sources.remote_write import WriteReader
from tests.benchmarks._table import Row, at_least, at_most
from tests.benchmarks._write_bodies import BODY_SERIES, bodies, body_v2
from tests.sources._ledger import Ledger
from tests.sources._write_messages import WriteRequest

T0 = 1_700_000_000_000
GOAL_NS = 100.0
ROUNDS = 200
_V2 = {"Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request"}


class _Counting(Ledger):
    """Numbers by a dictionary: what `Ledger` does with a list would be all that is measured."""

    def __init__(self) -> None:
        super().__init__()
        self.by_labels: dict[object, int] = {}

    def number(self, labels: object) -> int:
        return self.by_labels.setdefault(labels, len(self.by_labels))


def rows() -> list[Row]:
    """Measure."""
    body = next(bodies(BODY_SERIES, [T0]))
    second = body_v2(BODY_SERIES, T0)
    reader, ledger = _reader()
    scan = _scan_only(body, ledger)
    ways: dict[str, Callable[[], object]] = {
        "scan": scan,
        "read": lambda: reader.read(body, HEADERS),
        "read_v2": lambda: reader.read(second, _V2),
    }
    for way in ways.values():
        for _ in range(3):  # compile, meet the series, learn their order
            way()
    assert len(reader.read(body, HEADERS).numbers) == len(reader.read(second, _V2).numbers) == BODY_SERIES
    best = dict.fromkeys(ways, np.inf)
    for _ in range(ROUNDS):
        for name, way in ways.items():
            best[name] = min(best[name], _cpu_s(way))
    ns = {name: s / BODY_SERIES * 1e9 for name, s in best.items()}
    library_ns = min(_cpu_s(lambda: _library(body)) for _ in range(5)) / BODY_SERIES * 1e9
    return [
        at_most("decode: scan of 2,000 known series, 12 labels", ns["scan"], "ns/sample", GOAL_NS),
        Row("decode: with snappy and checks", ns["read"], "ns/sample"),
        Row("decode: version 2.0 with snappy and checks", ns["read_v2"], "ns/sample"),
        Row("decode: series met for the first time", _first_ns(body), "ns/sample"),
        Row("decode: protobuf objects to arrays, with snappy", library_ns, "ns/sample"),
        at_least("decode: protobuf objects against ours", library_ns / ns["read"], "x", 20.0),
        Row("decode: memory of the index", ledger.index.nbytes / len(ledger.index), "B/series"),
    ]


def _cpu_s(way: Callable[[], object]) -> float:
    began = time.process_time()
    way()
    return time.process_time() - began


def _reader() -> tuple[WriteReader, Ledger]:
    ledger = _Counting()
    return WriteReader(ledger), ledger


def _scan_only(body: bytes, ledger: Ledger) -> Callable[[], object]:
    raw = bytes(cramjam.snappy.decompress_raw(body))
    buf = np.frombuffer(raw + bytes(SLACK_BYTES), np.uint8).copy()
    strangers, numbers = np.empty((BODY_SERIES, 4), np.int64), np.empty(BODY_SERIES, np.int32)
    times, bits, tally = np.empty(BODY_SERIES, np.int64), np.empty(BODY_SERIES, np.uint64), np.zeros(8, np.int64)

    def scan() -> object:
        tally[:] = 0
        return v1.scan(buf, len(raw), *ledger.index.table, strangers, numbers, times, bits, tally)

    return scan


def _first_ns(body: bytes) -> float:
    def first() -> object:
        return _reader()[0].read(body, HEADERS)

    return min(_cpu_s(first) for _ in range(5)) / BODY_SERIES * 1e9


def _library(body: bytes) -> object:
    request = WriteRequest.FromString(bytes(cramjam.snappy.decompress_raw(body)))
    ids: dict[object, int] = {}
    found = [
        (ids.setdefault(tuple((label.name, label.value) for label in one.labels), len(ids)), s.timestamp, s.value)
        for one in request.timeseries
        for s in one.samples
    ]
    numbers, times, values = zip(*found, strict=True)
    return np.array(numbers, np.int32), np.array(times, np.int64), np.array(values)
