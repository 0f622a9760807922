"""Pushed OTLP gives the signals that the same numbers give by remote_write."""

import numpy as np
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from aiops.packs.load import built_in
from aiops.sources.otlp import OtlpReader
from tests.sources._otlp_world import CUMULATIVE, DELTA, PROTOBUF, key_values, request
from tests.sources._push_wall import T0, Wall, read, source_at, values

STEPS, STEP_S = 8, 60
BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5]
RATE = 120  # requests a step


def observed(step: int) -> np.ndarray:
    """Durations of one step, slower from the middle on."""
    return np.random.default_rng(step).lognormal(np.log(0.06 if step < STEPS // 2 else 0.5), 0.5, RATE)


def durations(until: int, since: int = 0) -> np.ndarray:
    return np.concatenate([observed(step) for step in range(since, until)])


def duration_metric(step: int, *, is_exponential: bool, temporality: int) -> Metric:
    """The histogram of request durations at the end of a step, with and without a status of 500."""
    metric = Metric(name="http.server.request.duration", unit="s")
    data = metric.exponential_histogram if is_exponential else metric.histogram
    data.aggregation_temporality = temporality
    seen = durations(step + 1, step if temporality == DELTA else 0)
    for status, some in ((200, seen[seen < 1.0]), (500, seen[seen >= 1.0])):
        since = T0 + STEP_S * 1000 * (step if temporality == DELTA else 0)
        point = data.data_points.add(count=len(some), sum=float(some.sum()))
        point.time_unix_nano, point.start_time_unix_nano = (T0 + STEP_S * 1000 * (step + 1)) * 10**6, since * 10**6
        key_values(point.attributes, {"http.response.status_code": status, "http.route": "/cart"})
        if is_exponential:
            fill_exponential(point, some)
        else:
            point.explicit_bounds.extend(BOUNDS)
            point.bucket_counts.extend(np.histogram(some, [-1, *BOUNDS, np.inf])[0].tolist())
    return metric


def fill_exponential(point, some: np.ndarray, scale: int = 4) -> None:
    buckets = np.ceil(np.log2(some) * 2**scale).astype(int) - 1
    point.scale = scale
    if len(buckets):
        point.positive.offset = int(buckets.min())
        point.positive.bucket_counts.extend(np.bincount(buckets - buckets.min()).tolist())


def signals(bodies: list[ExportMetricsServiceRequest]) -> dict[tuple[str, int], float]:
    wall = Wall(T0 + (STEPS + 5) * STEP_S * 1000)
    source = source_at(wall, built_in()["otel_http"])
    reader = OtlpReader(source.offer)
    for body in bodies:
        content = body.SerializeToString()
        wall.script.append(lambda content=content: reader.take(content, PROTOBUF, source.health.closed_ms))
    wall.script += [None, None]
    return values(source, read(source))


def told(*, is_exponential: bool = False, temporality: int = CUMULATIVE) -> dict[tuple[str, int], float]:
    return signals(
        [
            request(duration_metric(step, is_exponential=is_exponential, temporality=temporality))
            for step in range(STEPS)
        ]
    )


def test_a_histogram_gives_latency_errors_and_traffic() -> None:
    found = told()
    assert {name for name, _ in found} == {
        f"cart|{signal}" for signal in ("latency_p95", "latency_p50", "latency_mean", "error_ratio", "requests_rate")
    }
    row = STEPS
    assert found["cart|requests_rate", row] == pytest.approx(RATE / STEP_S)
    last = durations(STEPS, STEPS - 3)
    assert found["cart|error_ratio", row] == pytest.approx(np.mean(last >= 1.0), abs=0.02)
    assert found["cart|latency_mean", row] == pytest.approx(last.mean(), rel=0.05)


def test_deltas_give_what_the_same_numbers_give_as_totals() -> None:
    totals, deltas = told(), told(temporality=DELTA)
    assert len(totals) > 20
    assert deltas.keys() >= totals.keys()
    for cell, value in totals.items():
        assert deltas[cell] == pytest.approx(value, rel=1e-9), cell


@pytest.mark.parametrize("temporality", [CUMULATIVE, DELTA])
def test_an_exponential_histogram_gives_the_quantiles_of_what_was_observed(temporality) -> None:
    found = told(is_exponential=True, temporality=temporality)
    for name, q in (("latency_p95", 0.95), ("latency_p50", 0.5)):
        truth = np.quantile(durations(STEPS, STEPS - 3), q)
        # A bucket is at most 1.42 times as wide as what lies below it; within one the share is read off a line.
        assert found[f"cart|{name}", STEPS] == pytest.approx(truth, rel=0.1)
