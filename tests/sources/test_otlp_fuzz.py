"""The scanner against the official protobuf library, and against bodies that nobody would send."""

import json
import math

from google.protobuf import json_format
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from aiops.errors import InputError
from aiops.sources._otlp_json import to_protobuf
from aiops.sources._otlp_names import metric_name, point_labels, resource_labels, series_labels
from aiops.sources._pushed_samples import WriteLimits
from tests.sources._otlp_world import JSON, PROTOBUF, T_NS, S, Sink, key_values
from tests.sources._write_strategies import edits, mutated

LIMITS = WriteLimits(decompressed_bytes=1 << 20)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
values = st.one_of(texts, st.integers(-(1 << 63), (1 << 63) - 1), st.booleans(), st.floats(allow_nan=False))
attributes = st.dictionaries(st.sampled_from(["a", "b.c", "b_c", "9", "le", ".", "é"]), values, max_size=3)
times = st.integers(0, 6).map(lambda k: k and T_NS + k * S)
counts = st.lists(st.integers(0, 1 << 40), max_size=5)
temporalities = st.integers(0, 2)


@st.composite
def metrics(draw) -> Metric:
    metric = Metric(name=draw(st.sampled_from(["a", "lat.ency", "", "9"])), unit=draw(st.sampled_from(["", "s", "1"])))
    kind = draw(st.sampled_from(["gauge", "sum", "histogram", "exponential_histogram", "summary", "none"]))
    if kind == "none":
        return metric
    data = getattr(metric, kind)
    data.SetInParent()
    if kind not in ("gauge", "summary"):
        data.aggregation_temporality = draw(temporalities)
    if kind == "sum":
        data.is_monotonic = draw(st.booleans())
    for _ in range(draw(st.integers(0, 3))):
        point = data.data_points.add(time_unix_nano=draw(times), start_time_unix_nano=draw(times))
        point.flags = draw(st.sampled_from([0, 0, 1, 2]))
        key_values(point.attributes, draw(attributes))
        fill(draw, kind, point)
    return metric


def fill(draw, kind: str, point) -> None:
    if kind in ("gauge", "sum"):
        if draw(st.booleans()):
            point.as_int = draw(st.integers(-(1 << 63), (1 << 63) - 1))
        elif draw(st.booleans()):
            point.as_double = draw(st.floats())
        return
    point.count = draw(st.integers(0, 1 << 50))
    if kind == "summary" or draw(st.booleans()):
        point.sum = draw(st.floats(-1e9, 1e9))
    if kind == "summary":
        for quantile in draw(st.lists(st.sampled_from([0.0, 0.5, 0.99, 1.0]), max_size=3, unique=True)):
            point.quantile_values.add(quantile=quantile, value=draw(st.floats()))
    elif kind == "histogram":
        point.bucket_counts.extend(draw(counts))
        point.explicit_bounds.extend(
            sorted(draw(st.sets(st.sampled_from([-1.0, 0.005, 1.0, 2.5, math.inf]), max_size=4)))
        )
    else:
        point.scale, point.zero_count = draw(st.integers(-11, 21)), draw(st.integers(0, 9))
        point.positive.offset = draw(st.integers(-(1 << 31), (1 << 31) - 1) | st.integers(-9, 9))
        point.positive.bucket_counts.extend(draw(counts))
        point.negative.bucket_counts.extend(draw(counts))


@st.composite
def requests(draw) -> ExportMetricsServiceRequest:
    found = ExportMetricsServiceRequest()
    for _ in range(draw(st.integers(0, 2))):
        of = found.resource_metrics.add(schema_url="x")
        if draw(st.booleans()):
            names = st.sampled_from(["service.name", "service.namespace", "service.instance.id", "k8s.pod.name", "os"])
            key_values(of.resource.attributes, draw(st.dictionaries(names, texts, max_size=3)))
        for _ in range(draw(st.integers(0, 2))):
            scope = of.scope_metrics.add()
            scope.scope.name = "s"
            scope.metrics.extend(draw(st.lists(metrics(), max_size=3)))
    return found


def told(value: float) -> float | str:
    return "nan" if not math.isfinite(value) else value


def text_of(value) -> str:
    kind = value.WhichOneof("value")
    if kind == "bool_value":
        return "true" if value.bool_value else "false"
    if kind == "double_value":
        return spelled(value.double_value)
    return str(getattr(value, kind)) if kind else ""


def spelled(value: float) -> str:
    """As Go's JSON writes it, from Python's shortest digits."""
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    sign, digits, exponent = _decimal(value)
    if value and not 1e-6 <= abs(value) < 1e21:
        point = "." if len(digits) > 1 else ""
        place = exponent + len(digits) - 1
        return f"{sign}{digits[0]}{point}{digits[1:]}e{'-' if place < 0 else '+'}{abs(place)}"
    if exponent >= 0:
        return sign + digits + "0" * exponent
    digits = digits.rjust(1 - exponent, "0")
    return f"{sign}{digits[:exponent]}.{digits[exponent:]}"


def _decimal(value: float) -> tuple[str, str, int]:
    from decimal import Decimal

    parts = Decimal(repr(value)).as_tuple()
    digits = "".join(map(str, parts.digits))
    stripped = digits.rstrip("0") or "0"
    return "-" * parts.sign, stripped, int(parts.exponent) + len(digits) - len(stripped) if value else 0


class Plain:
    """The slow and obvious way: objects of the library, a dict of totals. Exponential histograms are left out."""

    def __init__(self) -> None:
        self.samples: dict = {}
        self.rejected = 0
        self.totals: dict = {}
        self.last: dict = {}

    def take(self, request) -> None:
        for of in request.resource_metrics:
            resource = resource_labels({a.key: text_of(a.value) for a in of.resource.attributes})
            for scope in of.scope_metrics:
                for metric in scope.metrics:
                    self.metric(metric, resource, of.resource.SerializeToString(deterministic=True))

    def metric(self, metric, resource, sender: bytes) -> None:
        kind = metric.WhichOneof("data")
        if kind in (None, "exponential_histogram"):
            return
        data = getattr(metric, kind)
        temporality = getattr(data, "aggregation_temporality", 2)
        is_counter = kind == "sum" and data.is_monotonic
        name = metric_name(metric.name, metric.unit, is_counter=is_counter, is_gauge=kind == "gauge")
        for point in data.data_points:
            labels = point_labels([(a.key, text_of(a.value)) for a in point.attributes], resource)
            if point.time_unix_nano == 0 or temporality not in (1, 2) or not name or labels is None or bad(kind, point):
                self.rejected += 1
                continue
            identity = (sender, metric.name, metric.unit, kind, is_counter, temporality)
            identity += (tuple(a.SerializeToString(deterministic=True) for a in point.attributes),)
            identity += (tuple(getattr(point, "explicit_bounds", ())),)
            if temporality == 1 and kind in ("sum", "histogram"):
                if point.time_unix_nano <= self.last.get(identity, 0):
                    continue
                self.last[identity] = point.time_unix_nano
            for extra, label, value in parts(kind, point):
                series = series_labels(name + extra, labels, label)
                if point.flags & 1:
                    self.samples[series, point.time_unix_nano // 1_000_000] = "stale"
                    continue
                found = value
                if temporality == 1 and kind in ("sum", "histogram") and math.isfinite(value):
                    found += self.totals.get((identity, extra, label), 0.0)
                    self.totals[identity, extra, label] = found
                self.samples[series, point.time_unix_nano // 1_000_000] = told(found)


def bad(kind: str, point) -> bool:
    if kind in ("gauge", "sum"):
        return point.WhichOneof("value") is None and not point.flags & 1
    if kind == "histogram":
        n, b = len(point.bucket_counts), len(point.explicit_bounds)
        return n != b + 1 and (n > 0 or b > 0)
    return False


def parts(kind: str, point):
    if kind in ("gauge", "sum"):
        which = point.WhichOneof("value")
        yield "", None, float(getattr(point, which)) if which else 0.0
        return
    yield "_count", None, float(point.count)
    if kind == "summary":
        yield "_sum", None, point.sum
        for one in point.quantile_values:
            yield "", ("quantile", spelled(one.quantile)), one.value
        return
    if point.HasField("sum"):
        yield "_sum", None, point.sum
    below = 0
    for count, bound in zip(point.bucket_counts, point.explicit_bounds, strict=False):
        below += count
        if bound < math.inf:
            yield "_bucket", ("le", spelled(bound)), float(below)
    yield "_bucket", ("le", "+Inf"), float(point.count)


def without_exponential(samples: dict, request) -> dict:
    names = {
        metric_name(metric.name, metric.unit, is_counter=False, is_gauge=False)
        for of in request.resource_metrics
        for scope in of.scope_metrics
        for metric in scope.metrics
        if metric.WhichOneof("data") == "exponential_histogram"
    }
    endings = [f"{name}{ending}" for name in names for ending in ("_count", "_sum", "_bucket")]
    return {key: value for key, value in samples.items() if dict(key[0])["__name__"] not in endings}


def same_as_the_library(request) -> None:
    sink, plain = Sink(LIMITS), Plain()
    taken = sink.take(request)
    plain.take(request)
    exponential = sum(
        len(metric.exponential_histogram.data_points)
        for of in request.resource_metrics
        for scope in of.scope_metrics
        for metric in scope.metrics
        if metric.WhichOneof("data") == "exponential_histogram"
    )
    assert plain.rejected <= taken.rejected <= plain.rejected + exponential
    wanted = without_exponential(plain.samples, request)
    assert without_exponential(sink.samples(), request) == wanted


@given(requests())
@settings(deadline=None, max_examples=200)
def test_any_valid_body_reads_as_the_protobuf_library_reads_it(request) -> None:
    same_as_the_library(request)


@given(requests())
@settings(deadline=None, max_examples=150)
def test_json_reads_as_protobuf_does(request) -> None:
    text = json_format.MessageToJson(request, use_integers_for_enums=True).encode()
    same = ExportMetricsServiceRequest.FromString(to_protobuf(text))
    # As text, because a NaN equals nothing.
    assert json_format.MessageToDict(same) == json_format.MessageToDict(what_json_keeps(request))
    sink, other = Sink(LIMITS), Sink(LIMITS)
    assert sink.take(text, JSON) == other.take(request)
    assert sink.samples() == other.samples()


def what_json_keeps(request) -> ExportMetricsServiceRequest:
    """JSON has no place for scopes and schemas here, and knows no value that is not set."""
    found = ExportMetricsServiceRequest()
    found.CopyFrom(request)
    for of in found.resource_metrics:
        of.schema_url = ""
        for scope in of.scope_metrics:
            scope.ClearField("scope")
    return found


@given(requests(), edits)
@settings(deadline=None, max_examples=400)
def test_a_mutated_body_is_refused_or_read_as_the_library_reads_it(request, changes) -> None:
    message = mutated(request.SerializeToString(), changes)
    sink = Sink(LIMITS)
    try:
        sink.take(message)
    except InputError:
        assert not sink.got
        return
    as_the_library(message)


def as_the_library(message: bytes) -> None:
    """A message is read as the library reads it, if it does."""
    try:
        same = ExportMetricsServiceRequest.FromString(message)
    except DecodeError:
        # The library looks into descriptions, scopes and exemplars too, which we skip.
        return
    if all(values_are_plain(of) for of in same.resource_metrics):
        same_as_the_library(same)


def values_are_plain(of) -> bool:
    """Tell whether there are only kinds of values that `text_of` knows, and bounds and quantiles are in order."""
    points = [
        point
        for scope in of.scope_metrics
        for metric in scope.metrics
        if (kind := metric.WhichOneof("data"))
        for point in getattr(metric, kind).data_points
    ]
    every = [list(of.resource.attributes), *(list(point.attributes) for point in points)]
    known = {"string_value", "bool_value", "int_value", "double_value", None}
    if any(a.value.WhichOneof("value") not in known for one in every for a in one):
        return False
    bounds = [list(getattr(point, "explicit_bounds", ())) for point in points]
    quantiles = [[one.quantile for one in getattr(point, "quantile_values", ())] for point in points]
    doubles = [a.value.double_value for one in every for a in one]
    return (
        all(one == sorted(set(one)) and not any(map(math.isnan, one)) for one in bounds)
        and all(len(set(one)) == len(one) and not any(map(math.isnan, one)) for one in quantiles)
        and not any(map(math.isnan, doubles))
    )


@given(st.binary(max_size=200))
@settings(deadline=None, max_examples=300)
def test_any_bytes_at_all_are_refused_without_a_trace_or_read(content) -> None:
    refused_or_as_json(content)
    for headers in (PROTOBUF, PROTOBUF | {"content-encoding": "gzip"}):
        sink = Sink(LIMITS)
        try:
            sink.take(content, headers)
        except InputError:
            assert not sink.got
            continue
        if headers is PROTOBUF:
            as_the_library(content)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
json_places = st.sampled_from(
    ["timeUnixNano", "asInt", "asDouble", "attributes", "flags", "count", "bucketCounts", "scale", "positive", "sum"]
)


@given(st.dictionaries(json_places, json_values, max_size=4), st.sampled_from(["gauge", "sum", "histogram", "summary"]))
@settings(deadline=None, max_examples=300)
def test_json_with_anything_anywhere_is_refused_without_a_trace_or_read(point, kind) -> None:
    metric = {"name": "m", kind: {"dataPoints": [{"timeUnixNano": "1", **point}], "aggregationTemporality": 2}}
    text = json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}).encode()
    refused_or_as_json(text)


def refused_or_as_json(text: bytes) -> None:
    """Nothing is taken of what is refused; what is read is a message that the library knows, of the same samples."""
    sink, other = Sink(LIMITS), Sink(LIMITS)
    try:
        taken = sink.take(text, JSON)
    except InputError:
        assert not sink.got
        return
    assert taken == other.take(ExportMetricsServiceRequest.FromString(to_protobuf(text)))
    assert sink.samples() == other.samples()


def test_every_cut_of_a_body_is_refused_or_is_a_whole_body() -> None:
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="m")
    point = metric.exponential_histogram.data_points.add(time_unix_nano=T_NS, scale=1, count=3)
    point.positive.bucket_counts.extend([1, 300])
    key_values(point.attributes, {"a": "b"})
    whole = request.SerializeToString()
    for end in range(1, len(whole)):
        sink = Sink()
        try:
            sink.take(whole[:end])
        except InputError:
            assert not sink.got
            continue
        raise AssertionError(f"a body cut at byte {end} was read")


def test_deeply_nested_bodies_are_refused() -> None:
    for text in (b'{"resourceMetrics":' + b"[" * 100_000, _nested(17), b"[" * 100_000 + b"]" * 100_000):
        try:
            Sink().take(text, JSON)
        except InputError:
            continue
        raise AssertionError(text[:60])
    Sink().take(_nested(16), JSON)


def _nested(depth: int) -> bytes:
    value = '{"arrayValue":{"values":[' * depth + '{"stringValue":"x"}' + "]}}" * depth
    point = f'{{"timeUnixNano":"1","asInt":"1","attributes":[{{"key":"a","value":{value}}}]}}'
    metric = f'{{"name":"m","gauge":{{"dataPoints":[{point}]}}}}'
    return f'{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{metric}]}}]}}]}}'.encode()
