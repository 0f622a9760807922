import gzip
import math
from itertools import pairwise

import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from aiops.errors import InputError, Overloaded, TooLarge, UnsupportedMedia
from aiops.sources._otlp_body import plain_body
from aiops.sources._pushed_samples import WriteLimits
from tests.sources._otlp_world import (
    CUMULATIVE,
    DELTA,
    PROTOBUF,
    T_NS,
    S,
    Sink,
    exponential,
    gauge,
    histogram,
    key_values,
    request,
    total,
)

T_MS = T_NS // 1_000_000


def test_a_gauge_is_a_level_named_by_its_service() -> None:
    sink = Sink()
    assert sink.take(request(gauge(2.5, queue="in"), resource={"service.name": "cart", "service.namespace": "shop"}))
    labels = (
        *(("__name__", "depth"), ("job", "shop/cart"), ("queue", "in")),
        *(("service_name", "cart"), ("service_namespace", "shop")),
    )
    assert sink.samples() == {(labels, T_MS): 2.5}


def test_a_service_without_a_name_is_named_by_its_workload() -> None:
    sink = Sink()
    resource = {"service.name": "unknown_service:java", "k8s.deployment.name": "cart", "k8s.pod.name": "cart-1"}
    sink.take(request(gauge(), resource=resource))
    ((series, _),) = sink.samples()
    assert (dict(series)["service_name"], dict(series)["job"]) == ("cart", "cart")


def test_two_pods_of_a_service_are_two_series() -> None:
    sink = Sink()
    for pod in ("a", "b"):
        sink.take(request(gauge(), resource={"service.name": "cart", "k8s.pod.name": pod}))
    assert len(sink.samples()) == 2


def test_deltas_are_added_up_from_the_start_of_the_first() -> None:
    sink = Sink()
    for k, value in enumerate([3, 4, 0, 5]):
        sink.take(total(value, T_NS + 10 * k * S, T_NS + 10 * (k - 1) * S, temporality=DELTA), closed_ms=0)
    assert sink.by_name() == {("hits_total",): [0, 3, 7, 7, 12]}


def test_deltas_of_up_and_down_counters_are_a_level() -> None:
    sink = Sink()
    for k, value in enumerate([3, -2]):
        sink.take(total(value, T_NS + k * S, temporality=DELTA, monotonic=False))
    assert sink.by_name() == {("hits",): [3, 1]}


def test_a_delta_that_comes_twice_counts_once() -> None:
    sink = Sink()
    first, second = (total(5, T_NS + k * S, temporality=DELTA) for k in range(2))
    for metric in (first, second, second, first):
        sink.take(metric)
    assert sink.by_name() == {("hits_total",): [5, 10]}
    assert [samples.skipped.get("repeated_deltas", 0) for samples in sink.got] == [0, 0, 1, 1]


def test_a_refused_request_leaves_no_trace() -> None:
    sink = Sink()
    sink.take(total(5, T_NS, T_NS - S, temporality=DELTA))
    again = request(total(7, T_NS + S, T_NS, temporality=DELTA), histogram([1, 2], [1.0], temporality=DELTA))
    sink.fail = Overloaded("full")
    for _ in range(2):
        with pytest.raises(Overloaded):
            sink.take(again)
    sink.fail = None
    sink.take(again)
    found = sink.by_name("le")
    assert found["hits_total",] == [5, 12]
    assert found["lat_seconds_bucket", "+Inf"] == [3]


def test_a_counter_that_starts_anew_is_reset_even_where_its_value_does_not_fall() -> None:
    sink = Sink()
    sink.take(total(5, T_NS, T_NS - 100 * S), closed_ms=T_MS - 30_000)
    sink.take(total(9, T_NS + 20 * S, T_NS + 5 * S), closed_ms=T_MS - 10_000)
    sink.take(total(11, T_NS + 40 * S, T_NS + 5 * S), closed_ms=T_MS + 10_000)
    assert sink.by_name() == {("hits_total",): [5, 0, 9, 11]}
    assert sorted(time for _, time in sink.samples())[1] == T_MS + 5000


@pytest.mark.parametrize("closed_ms", [None, T_MS - 3000])
def test_a_start_in_a_closed_tick_or_before_the_first_one_is_not_marked(closed_ms) -> None:
    sink = Sink()
    sink.take(total(5, T_NS, T_NS - 5 * S), closed_ms=closed_ms)
    assert sink.by_name() == {("hits_total",): [5]}


def test_an_up_and_down_counter_has_no_resets() -> None:
    sink = Sink()
    sink.take(total(5, T_NS, T_NS - 5 * S, monotonic=False), closed_ms=0)
    assert sink.by_name() == {("hits",): [5]}


def test_an_older_point_changes_nothing_that_is_remembered() -> None:
    sink = Sink()
    sink.take(total(5, T_NS, T_NS - 60 * S), closed_ms=T_MS - 90_000)
    sink.take(total(3, T_NS - 20 * S, T_NS - 70 * S), closed_ms=T_MS - 90_000)
    sink.take(total(6, T_NS + 20 * S, T_NS - 60 * S), closed_ms=T_MS - 90_000)
    assert sink.by_name() == {("hits_total",): [0, 3, 5, 6]}


def test_a_histogram_is_a_classic_one() -> None:
    sink = Sink()
    sink.take(histogram([1, 2, 4], [0.1, 2.5]))
    assert sink.by_name("le") == {
        ("lat_seconds_count",): [7],
        ("lat_seconds_sum",): [1.5],
        ("lat_seconds_bucket", "0.1"): [1],
        ("lat_seconds_bucket", "2.5"): [3],
        ("lat_seconds_bucket", "+Inf"): [7],
    }


def test_a_histogram_without_a_sum_has_none() -> None:
    sink = Sink()
    sink.take(histogram([1, 1], [1.0], sum_=None))
    assert ("lat_seconds_sum",) not in sink.by_name("le")


def test_an_exponential_histogram_has_exact_counts_at_its_bounds() -> None:
    """Scale 2: bucket i ends at 2 ** ((i + 1) / 4), so every second bound is one of ours, at 2 ** (k / 2)."""
    sink = Sink()
    sink.take(exponential([1, 2, 4, 8, 16], scale=2, offset=-1, zeros=32))
    assert sink.by_name("le") == {
        ("lat_seconds_count",): [63],
        ("lat_seconds_sum",): [1],
        ("lat_seconds_bucket", "0.7071067811865476"): [32],
        ("lat_seconds_bucket", "1"): [33],
        ("lat_seconds_bucket", "1.4142135623730951"): [39],
        ("lat_seconds_bucket", "2"): [63],
        ("lat_seconds_bucket", "+Inf"): [63],
    }


def test_negative_observations_lie_below_every_bound() -> None:
    sink = Sink()
    sink.take(exponential([1], scale=1, below=(2, 3)))
    assert sink.by_name("le")["lat_seconds_bucket", "1"] == [5]


def test_bounds_of_an_exponential_histogram_stay_when_it_narrows_and_grow_when_it_widens() -> None:
    sink = Sink()
    sink.take(exponential([5, 0, 5], scale=1, at=T_NS))
    sink.take(exponential([0, 7, 0], scale=1, at=T_NS + S))
    sink.take(exponential([8, 0, 0, 0, 8], scale=1, at=T_NS + 2 * S))
    buckets = {le[1]: values for le, values in sink.by_name("le").items() if len(le) == 2}
    assert buckets["1"] == [0, 0, 0]
    assert buckets["1.4142135623730951"] == [5, 0, 8]
    assert buckets["2.8284271247461903"] == [10, 7, 8]
    assert buckets["5.656854249492381"] == [16]


def test_deltas_of_an_exponential_histogram_go_on_when_it_widens_and_coarsens() -> None:
    sink = Sink()
    sink.take(exponential([1, 1], scale=1, at=T_NS, temporality=DELTA, zeros=4))
    sink.take(exponential([2], scale=1, offset=3, at=T_NS + S, temporality=DELTA))
    sink.take(exponential([8], scale=0, offset=1, at=T_NS + 2 * S, temporality=DELTA))
    buckets = {le[1]: values for le, values in sink.by_name("le").items() if len(le) == 2}
    assert buckets["1"] == [4, 4, 4]
    assert buckets["1.4142135623730951"] == [5, 5]
    assert buckets["2"] == [6, 6, 6]
    assert buckets["4"] == [8, 16]
    assert buckets["+Inf"] == [6, 8, 16]


def test_a_very_wide_exponential_histogram_keeps_few_bounds() -> None:
    sink = Sink()
    sink.take(exponential([1] * 2000, scale=0, offset=-1000))
    buckets = [float(le[1]) for le in sink.by_name("le") if len(le) == 2]
    assert len(buckets) <= 162
    assert sum(map(math.isinf, buckets)) == 1


def test_a_summary_is_its_quantiles() -> None:
    metric = Metric(name="lat", unit="s")
    point = metric.summary.data_points.add(time_unix_nano=T_NS, count=4, sum=2.5)
    point.quantile_values.add(quantile=0.5, value=0.25)
    sink = Sink()
    sink.take(metric)
    assert sink.by_name("quantile") == {
        ("lat_seconds_count",): [4],
        ("lat_seconds_sum",): [2.5],
        ("lat_seconds", "0.5"): [0.25],
    }


def test_a_point_without_a_recorded_value_ends_its_series() -> None:
    metric = gauge()
    metric.gauge.data_points[0].flags = 1
    sink = Sink()
    sink.take(metric)
    assert list(sink.samples().values()) == ["stale"]


def test_infinities_are_counted_and_nan() -> None:
    sink = Sink()
    sink.take(gauge(math.inf))
    assert list(sink.samples().values()) == ["nan"]
    assert sink.got[0].skipped == {"infinite": 1}


def wrong(kind: str) -> Metric:
    metric = total(1) if kind in ("temporality", "no value") else histogram([1, 1], [1.0])
    if kind == "temporality":
        metric.sum.aggregation_temporality = 0
    elif kind == "no value":
        metric.sum.data_points[0].ClearField("as_int")
    elif kind == "no time":
        metric.histogram.data_points[0].time_unix_nano = 0
    elif kind == "metric name":
        metric.name, metric.unit = "···", ""
    elif kind == "labels":
        key_values(metric.histogram.data_points[0].attributes, {"x" * 2000: "y"})
    elif kind == "bounds":
        metric = histogram([1, 1, 1], [2.0, 1.0])
    elif kind == "bucket counts":
        metric = histogram([1, 1, 1], [2.0])
    elif kind == "scale":
        metric = exponential([1], scale=21)
    return metric


@pytest.mark.parametrize(
    "kind", ["no time", "no value", "temporality", "metric name", "labels", "bounds", "bucket counts", "scale"]
)
def test_a_wrong_data_point_is_left_out_and_told_and_the_others_are_taken(kind) -> None:
    sink = Sink()
    for _ in range(2):  # the second time from what is remembered
        taken = sink.take(request(wrong(kind), gauge()))
        assert taken.rejected == 1
        assert taken.message.startswith(f"data points left out: {kind} 1 (first in '")
    assert sink.by_name() == {("depth",): [1.0]}


def test_infinity_twice_among_the_bounds_is_wrong() -> None:
    taken = Sink().take(request(histogram([1, 1, 1], [math.inf, math.inf])))
    assert (taken.rejected, "bounds 1" in taken.message) == (1, True)


def test_attributes_in_pieces_are_the_attributes() -> None:
    """Protobuf allows other fields between them, though no sender writes it so."""
    point = gauge(a="1", b="2").gauge.data_points[0]
    pieces = [
        gauge(**{name: value}).gauge.data_points[0].SerializeToString() for name, value in (("a", "1"), ("b", "2"))
    ]
    assert type(point).FromString(b"".join(pieces)) == point
    sink = Sink()
    sink.take(request(gauge(a="1", b="2")))
    sink.take(with_point(b"".join(pieces)))
    assert len(sink.got) == 2
    assert len(sink.samples()) == 1


def with_point(point: bytes) -> bytes:
    """A request with the gauge `depth` whose only data point is written as given."""

    def field(tag: int, content: bytes) -> bytes:
        assert len(content) < 128
        return bytes([tag, len(content)]) + content

    resource = request().resource_metrics[0].resource.SerializeToString()
    body = field(0x0A, b"depth") + field(0x2A, field(0x0A, point))
    return field(0x0A, field(0x0A, resource) + field(0x12, field(0x12, body)))


def test_gzip_is_read_and_a_bomb_is_not() -> None:
    sink = Sink(WriteLimits(decompressed_bytes=1000))
    body = request(gauge()).SerializeToString()
    sink.take(gzip.compress(body), PROTOBUF | {"content-encoding": "gzip"})
    assert len(sink.samples()) == 1
    with pytest.raises(TooLarge, match="more than 1000 bytes"):
        sink.take(gzip.compress(bytes(1 << 24)), PROTOBUF | {"content-encoding": "gzip"})


def test_gzip_members_follow_each_other_and_together_stay_below_the_limit() -> None:
    headers = {"content-encoding": "gzip"}
    body = gzip.compress(b"a" * 400) + gzip.compress(b"b" * 400)
    assert plain_body(body, headers, WriteLimits()) == b"a" * 400 + b"b" * 400
    with pytest.raises(TooLarge):
        plain_body(body, headers, WriteLimits(decompressed_bytes=799))


@pytest.mark.parametrize(
    "body",
    [b"plain", gzip.compress(b"x" * 1000)[:-9], gzip.compress(b"x")[:-1] + b"!"],
    ids=["no gzip", "cut off", "wrong length"],
)
def test_what_is_not_gzip_is_wrong_for_good(body) -> None:
    with pytest.raises(InputError, match="not gzip"):
        plain_body(body, {"content-encoding": "gzip"}, WriteLimits())


@pytest.mark.parametrize("headers", [{}, {"content-type": "text/plain"}, PROTOBUF | {"content-encoding": "zstd"}])
def test_other_formats_and_compressions_are_unsupported(headers) -> None:
    with pytest.raises(UnsupportedMedia):
        Sink().take(b"", headers)


def test_limits_refuse_a_body_whole() -> None:
    for limits in (WriteLimits(body_bytes=10), WriteLimits(series_per_body=1), WriteLimits(samples_per_body=2)):
        sink = Sink(limits)
        with pytest.raises(TooLarge):
            sink.take(request(gauge(), gauge(name="b"), histogram([1, 1], [1.0])))
        assert not sink.got


def test_a_body_of_tiny_points_is_read() -> None:
    metric = Metric(name="depth")
    for _ in range(500):
        metric.gauge.data_points.add()
    assert Sink().take(metric).rejected == 500


def test_names_are_forgotten_when_there_are_too_many_and_deltas_go_on_as_after_a_reset() -> None:
    sink = Sink(max_names_bytes=3000)
    for k in range(30):
        sink.take(total(5, T_NS + k * S, T_NS + (k - 1) * S, temporality=DELTA, path=f"/{k % 10}"), closed_ms=0)
    assert sink.reader._slots._bytes < 10_000
    values = sink.by_name("path")["hits_total", "/0"]
    assert values.count(0) > 1
    assert sum(b - a if b >= a else b for a, b in pairwise(values)) == 3 * 5
    with pytest.raises(TooLarge, match="more new names than fit"):
        sink.take(request(*(gauge(name=f"x{k}") for k in range(200))))


def test_cumulative_values_are_passed_on_as_they_are() -> None:
    sink = Sink()
    for k, value in enumerate([7, 3]):
        sink.take(total(value, T_NS + k * S, temporality=CUMULATIVE))
    assert sink.by_name() == {("hits_total",): [7, 3]}
