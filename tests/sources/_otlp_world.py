"""OTLP bodies made with the official protobuf classes, and a place where samples end up."""

from __future__ import annotations

import math
from collections.abc import Mapping

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from aiops.model import Labels
from aiops.sources._pushed_samples import Samples, Taken, WriteLimits, labels_of
from aiops.sources.otlp import OtlpReader

PROTOBUF, JSON = {"content-type": "application/x-protobuf"}, {"content-type": "application/json"}
T_NS = 1_700_000_000_000_000_000
S = 1_000_000_000
DELTA, CUMULATIVE = 1, 2


def key_values(field, attributes: Mapping[str, object]) -> None:
    for name, value in attributes.items():
        one = field.add(key=name)
        if isinstance(value, bool):
            one.value.bool_value = value
        elif isinstance(value, int):
            one.value.int_value = value
        elif isinstance(value, float):
            one.value.double_value = value
        else:
            one.value.string_value = str(value)


def request(*metrics: Metric, resource: Mapping[str, object] | None = None) -> ExportMetricsServiceRequest:
    found = ExportMetricsServiceRequest()
    of = found.resource_metrics.add()
    key_values(of.resource.attributes, {"service.name": "cart"} if resource is None else resource)
    of.scope_metrics.add().metrics.extend(metrics)
    return found


def gauge(value: float = 1.0, at: int = T_NS, name: str = "depth", **attributes: object) -> Metric:
    metric = Metric(name=name)
    point = metric.gauge.data_points.add(time_unix_nano=at, as_double=value)
    key_values(point.attributes, attributes)
    return metric


def total(
    value: int, at: int = T_NS, start: int = 0, *, temporality: int = CUMULATIVE, monotonic: bool = True, **more: object
) -> Metric:
    metric = Metric(name="hits")
    metric.sum.aggregation_temporality, metric.sum.is_monotonic = temporality, monotonic
    point = metric.sum.data_points.add(time_unix_nano=at, start_time_unix_nano=start, as_int=value)
    key_values(point.attributes, more)
    return metric


def histogram(
    counts: list[int],
    bounds: list[float],
    at: int = T_NS,
    start: int = 0,
    *,
    temporality: int = CUMULATIVE,
    sum_: float | None = 1.5,
) -> Metric:
    metric = Metric(name="lat", unit="s")
    metric.histogram.aggregation_temporality = temporality
    point = metric.histogram.data_points.add(time_unix_nano=at, start_time_unix_nano=start, count=sum(counts), sum=sum_)
    point.bucket_counts.extend(counts)
    point.explicit_bounds.extend(bounds)
    return metric


def exponential(
    counts: list[int],
    scale: int,
    offset: int = 0,
    at: int = T_NS,
    *,
    temporality: int = CUMULATIVE,
    zeros: int = 0,
    below: tuple[int, ...] = (),
) -> Metric:
    metric = Metric(name="lat", unit="s")
    metric.exponential_histogram.aggregation_temporality = temporality
    point = metric.exponential_histogram.data_points.add(time_unix_nano=at, scale=scale, zero_count=zeros, sum=1.0)
    point.count = sum(counts) + zeros + sum(below)
    point.positive.offset = offset
    point.positive.bucket_counts.extend(counts)
    point.negative.bucket_counts.extend(below)
    return metric


class Sink:
    """A reader and what it gave away; `fail` is raised instead of taking anything."""

    def __init__(self, limits: WriteLimits | None = None, **more: int) -> None:
        self.got: list[Samples] = []
        self.fail: Exception | None = None
        self.reader = OtlpReader(self._offer, limits or WriteLimits(), **more)

    def take(self, body, headers: Mapping[str, str] = PROTOBUF, closed_ms: int | None = None) -> Taken:
        if not isinstance(body, bytes):
            body = (body if isinstance(body, ExportMetricsServiceRequest) else request(body)).SerializeToString()
        return self.reader.take(body, headers, closed_ms)

    def samples(self) -> dict[tuple[Labels, int], float | str]:
        """Everything taken so far, by series and unix ms; NaN as a text because it equals nothing."""
        found: dict[tuple[Labels, int], float | str] = {}
        for samples in self.got:
            rows = zip(samples.series, samples.times, samples.values, samples.stale, strict=True)
            for series, time, value, stale in rows:
                told = "stale" if stale else "nan" if math.isnan(value) else float(value)
                found[labels_of(samples.keys[series], WriteLimits()), int(time)] = told
        return found

    def by_name(self, *labels: str) -> dict[tuple[str, ...], list[float | str]]:
        """Values in time order by name and the named labels."""
        found: dict[tuple[str, ...], list[float | str]] = {}
        for (series, _), value in sorted(self.samples().items(), key=lambda item: item[0][1]):
            named = dict(series)
            found.setdefault(tuple(named[x] for x in ("__name__", *labels) if x in named), []).append(value)
        return found

    def _offer(self, samples: Samples) -> None:
        if self.fail:
            raise self.fail
        self.got.append(samples)
