"""OTLP request bodies to samples, against objects of the official protobuf classes.

Both read the same bodies by turns: sixty services with the usual histograms, sums and gauges, and one exponential
histogram each; names are known after the first. The peer's loop does less: it parses, takes numbers and attributes out,
and neither names series nor adds up buckets.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from aiops.packs.load import built_in
from aiops.series import SeriesTable
from aiops.sources._pushed_samples import Samples
from aiops.sources.otlp import OtlpReader
from aiops.sources.push import PushSettings, PushSource
from tests.benchmarks._table import Row, at_least
from tests.sources._otlp_world import PROTOBUF, T_NS, S, key_values

SERVICES, ROUTES, BODIES, ROUNDS = 60, 12, 6, 5
BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0]
"""The default bounds of OpenTelemetry's HTTP server durations."""

GOAL_X = 3.0  # chosen: what makes a decoder of our own worth its lines


def rows() -> list[Row]:
    """Own time per data point, best of the rounds, and what the decoder of objects takes more."""
    bodies = [_body(k).SerializeToString() for k in range(BODIES)]
    got = list[Samples]()
    reader = OtlpReader(got.append)
    source = PushSource(built_in().values(), SeriesTable(), PushSettings(), clock=lambda: T_NS / S + 60)
    into_source = OtlpReader(source.offer)
    points = sum(_objects(body) for body in bodies)
    ways: dict[str, Callable[[bytes], object]] = {
        "ours": lambda body: reader.take(body, PROTOBUF, 0),
        "taken in": lambda body: into_source.take(body, PROTOBUF, 0),
        "objects": _objects,
    }
    best, samples = dict.fromkeys(ways, float("inf")), 0
    for _ in range(ROUNDS):
        for name, way in ways.items():
            got.clear()
            began = time.process_time()
            for body in bodies:
                way(body)
            best[name] = min(best[name], time.process_time() - began)
            assert name != "ours" or len(got) == BODIES
            samples = sum(len(one.times) for one in got) if name == "ours" else samples
    ours, taken_in, peer = (best[name] / points * 1e9 for name in ways)
    return [
        Row("OTLP: decode, steady state", ours, "ns/data point"),
        Row("OTLP: decode, per sample of a series", best["ours"] / samples * 1e9, "ns/sample"),
        Row("OTLP: decoded and taken in by the source", taken_in, "ns/data point"),
        Row("OTLP: decoded and taken in, per sample of a series", best["taken in"] / samples * 1e9, "ns/sample"),
        Row("OTLP: opentelemetry-proto objects", peer, "ns/data point"),
        at_least("OTLP: opentelemetry-proto objects / ours", peer / ours, "x", GOAL_X),
    ]


def _body(k: int) -> ExportMetricsServiceRequest:
    rng = np.random.default_rng(k)
    request = ExportMetricsServiceRequest()
    for i in range(SERVICES):
        of = request.resource_metrics.add()
        resource = {"service.name": f"service-{i}", "service.namespace": "shop", "service.instance.id": f"pod-{i}-7f9c"}
        key_values(of.resource.attributes, resource | {"k8s.pod.name": f"pod-{i}", "telemetry.sdk.language": "java"})
        of.scope_metrics.add().metrics.extend(_metrics(rng, T_NS + 15 * k * S))
    return request


def _metrics(rng: np.random.Generator, at: int) -> list[Metric]:
    durations, bytes_in = Metric(name="http.server.request.duration", unit="s"), Metric(name="net.io", unit="By")
    depth, latency = Metric(name="queue.depth", unit="{item}"), Metric(name="db.duration", unit="s")
    for data in (durations.histogram, bytes_in.sum, latency.exponential_histogram):
        data.aggregation_temporality = 2
    bytes_in.sum.is_monotonic = True
    for j in range(ROUTES):
        route = {"http.route": f"/api/v1/things/{j}", "http.request.method": "GET", "http.response.status_code": 200}
        counts = rng.integers(0, 10**6, len(BOUNDS) + 1).tolist()
        point = durations.histogram.data_points.add(count=sum(counts), sum=1.5, bucket_counts=counts)
        point.explicit_bounds.extend(BOUNDS)
        others = [bytes_in.sum.data_points.add(as_int=j), depth.gauge.data_points.add(as_double=rng.random())]
        for one in (point, *others):
            one.time_unix_nano, one.start_time_unix_nano = at, T_NS - 3600 * S
            key_values(one.attributes, route)
    wide = latency.exponential_histogram.data_points.add(time_unix_nano=at, scale=3, count=4000, sum=1.0)
    wide.positive.offset = -40
    wide.positive.bucket_counts.extend(rng.integers(1, 100, 80).tolist())
    key_values(wide.attributes, {"db.system": "postgresql"})
    return [durations, bytes_in, depth, latency]


def _objects(body: bytes) -> int:
    """Numbers and attributes of all data points, read as one reads objects; how many points."""
    request, count = ExportMetricsServiceRequest.FromString(body), 0
    found = []
    for of in request.resource_metrics:
        resource = tuple((a.key, a.value.string_value) for a in of.resource.attributes)
        for scope in of.scope_metrics:
            for metric in scope.metrics:
                kind = metric.WhichOneof("data")
                for point in getattr(metric, kind).data_points:
                    count += 1
                    labels = (metric.name, resource, tuple((a.key, _value(a.value)) for a in point.attributes))
                    found.append((labels, point.time_unix_nano, _numbers(kind, point)))
    assert len(found) == count
    return count


def _value(value) -> object:
    return getattr(value, value.WhichOneof("value"))


def _numbers(kind: str, point) -> tuple[object, ...]:
    if kind == "histogram":
        return point.count, point.sum, list(point.bucket_counts), list(point.explicit_bounds)
    if kind == "exponential_histogram":
        return point.count, point.sum, point.scale, point.positive.offset, list(point.positive.bucket_counts)
    return (getattr(point, point.WhichOneof("value")),)
