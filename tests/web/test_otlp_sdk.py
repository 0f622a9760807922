"""The official OpenTelemetry SDK and its exporter, over a real socket, into a real pushed source."""

import asyncio
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader, MetricExportResult
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource

from aiops.sources._pushed_samples import Taken
from aiops.web._base import WebSettings
from aiops.web.app import build_app
from tests.sources._otlp_world import Sink
from tests.web.test_server import Running

DELTA = {Counter: AggregationTemporality.DELTA, Histogram: AggregationTemporality.DELTA}


@pytest.fixture
def sink(backend: Any) -> Sink:
    sink = Sink()

    async def take(body: bytes, headers: Any) -> Taken:
        backend.otlp.append((body, dict(headers)))
        return sink.take(body, headers)

    backend.otlp_metrics = take
    return sink


def exported(backend: Any, temporality: Any = None, *, exponential: bool = False) -> list[MetricExportResult]:
    """What the exporter says after each of two rounds of the same work."""
    views = [View(instrument_type=Histogram, aggregation=ExponentialBucketHistogramAggregation())]
    reader = InMemoryMetricReader(preferred_temporality=temporality)
    resource = Resource.create({"service.name": "cart", "service.namespace": "shop"})
    provider = MeterProvider([reader], resource, views=views if exponential else (), shutdown_on_exit=False)
    meter = provider.get_meter("test")
    duration = meter.create_histogram(
        "http.server.request.duration", "s", explicit_bucket_boundaries_advisory=[0.1, 1.0, 10.0]
    )
    requests, depth = meter.create_counter("orders", "{order}"), meter.create_up_down_counter("queue.depth")
    results = []

    async def story() -> None:
        async with Running(build_app(backend, WebSettings())) as url:
            exporter = OTLPMetricExporter(f"{url}/v1/metrics", compression=Compression.Gzip, timeout=60)
            for _ in range(2):
                for seconds in (0.02, 0.3, 4.0):
                    duration.record(seconds, {"http.route": "/", "http.response.status_code": 200})
                requests.add(5)
                depth.add(2)
                data = reader.get_metrics_data()
                results.append(await asyncio.to_thread(exporter.export, data))
            await asyncio.to_thread(exporter.shutdown)

    asyncio.run(story())
    provider.shutdown()
    return results


@pytest.mark.parametrize("temporality", [None, DELTA], ids=["cumulative", "delta"])
def test_what_the_sdk_exports_arrives_under_its_prometheus_names(backend, sink, temporality) -> None:
    assert exported(backend, temporality) == [MetricExportResult.SUCCESS] * 2
    assert backend.otlp[0][1]["content-encoding"] == "gzip"
    found = sink.by_name("le")
    assert found["orders_total",] == [5, 10]
    assert found["queue_depth",] == [2, 4]
    assert found["http_server_request_duration_seconds_count",] == [3, 6]
    assert found["http_server_request_duration_seconds_bucket", "1"] == [2, 4]
    assert {dict(series)["job"] for series, _ in sink.samples()} == {"shop/cart"}


def test_exponential_histograms_of_the_sdk_arrive_as_buckets(backend, sink) -> None:
    exported(backend, exponential=True)
    found = sink.by_name("le")
    # Bounds lie at powers of the root of 2; these two are around 0.3.
    assert found["http_server_request_duration_seconds_bucket", "0.25"] == [1, 2]
    assert found["http_server_request_duration_seconds_bucket", "0.3535533905932738"] == [2, 4]
    assert found["http_server_request_duration_seconds_bucket", "+Inf"] == [3, 6]
