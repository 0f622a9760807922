"""What a Prometheus that scrapes a cluster sends: series with 12 labels, 2,000 samples a body."""

from __future__ import annotations

from collections.abc import Iterator

import cramjam
import numpy as np

from aiops.demo.encode import encode_block
from aiops.model import Labels
from aiops.sources._pushed_samples import key_of
from tests.sources._write_messages import RequestV2

BODY_SERIES = 2000
"""Prometheus' default `max_samples_per_send`."""

SCRAPE_S = 15
SERVICES = 40

METRIC = "http_request_duration_seconds_bucket"


def labels_of_series(i: int) -> Labels:
    """Twelve labels, as long as usual (268 bytes on the wire), distinct for each i; each is of a pod of its own."""
    return labels_in_pod(i, METRIC, ("le", f"{i % 12 / 10}"))


def labels_in_pod(pod: int, metric: str, own: tuple[str, str]) -> Labels:
    """Twelve labels: those of a pod of a service in a cluster, and one of the series' own, sorted by name."""
    service = f"svc-{pod % SERVICES}"
    labels = {
        "__name__": metric,
        "cluster": "prod-eu-1",
        "container": "app",
        "endpoint": "http-metrics",
        "env": "production",
        "instance": f"10.{pod // 62500 % 250}.{pod // 250 % 250}.{pod % 250}:8080",
        "job": service,
        "method": "GET",
        "namespace": f"team-{pod % 7}",
        "pod": f"{service}-{pod * 7919 % 99991:05x}-{pod:07x}",
        "service": service,
    }
    return tuple(sorted((*labels.items(), own)))


def bodies(series: int, times_ms: list[int], seed: int = 1) -> Iterator[bytes]:
    """Bodies of version 1 of so many series, scrape by scrape; values grow as those of counters."""
    keys = [key_of(labels_of_series(i)) for i in range(series)]
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 1_000_000, series).astype(np.float64)
    for time_ms in times_ms:
        values += rng.integers(0, 100, series)
        for start in range(0, series, BODY_SERIES):
            part = slice(start, start + BODY_SERIES)
            yield encode_block(keys[part], np.array([time_ms]), values[None, part])


def body_v2(series: int, time_ms: int) -> bytes:
    """A body of version 2."""
    symbols, request = {"": 0}, RequestV2()
    for i in range(series):
        one = request.timeseries.add()
        one.labels_refs.extend(symbols.setdefault(text, len(symbols)) for pair in labels_of_series(i) for text in pair)
        one.samples.add(value=float(i * 7919 % 100_003), timestamp=time_ms)
        one.metadata.type = 1
    request.symbols.extend(symbols)
    return bytes(cramjam.snappy.compress_raw(request.SerializeToString()))
