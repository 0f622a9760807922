"""The scanner against the protobuf library, and against bodies that nobody would send."""

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

from aiops.demo.encode import HEADERS, compress
from aiops.errors import InputError
from aiops.sources._pushed_samples import WriteLimits, labels_of
from aiops.sources.remote_write import STALE_BITS, Samples, decode

_TYPES = descriptor_pb2.FieldDescriptorProto
_SCHEMA = {
    "Label": [("name", 1, "string", ""), ("value", 2, "string", "")],
    "Sample": [("value", 1, "double", ""), ("timestamp", 2, "int64", "")],
    "Exemplar": [("labels", 1, "Label", "repeated"), ("value", 2, "double", ""), ("timestamp", 3, "int64", "")],
    "Histogram": [("sum", 3, "double", ""), ("timestamp", 15, "int64", "")],
    "Metadata": [("type", 1, "int64", ""), ("family", 2, "string", "")],
    "TimeSeries": [
        ("labels", 1, "Label", "repeated"),
        ("samples", 2, "Sample", "repeated"),
        ("exemplars", 3, "Exemplar", "repeated"),
        ("histograms", 4, "Histogram", "repeated"),
    ],
    "WriteRequest": [("timeseries", 1, "TimeSeries", "repeated"), ("metadata", 3, "Metadata", "repeated")],
}


def _write_request():
    file = descriptor_pb2.FileDescriptorProto(name="remote.proto", package="test_remote", syntax="proto3")
    plain = {"string": _TYPES.TYPE_STRING, "double": _TYPES.TYPE_DOUBLE, "int64": _TYPES.TYPE_INT64}
    for name, columns in _SCHEMA.items():
        message = file.message_type.add(name=name)
        for field_name, number, kind, label in columns:
            field = message.field.add(name=field_name, number=number)
            field.label = _TYPES.LABEL_REPEATED if label else _TYPES.LABEL_OPTIONAL
            field.type = plain.get(kind, _TYPES.TYPE_MESSAGE)
            if kind not in plain:
                field.type_name = f".test_remote.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("test_remote.WriteRequest"))


WriteRequest = _write_request()

text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
label_sets = st.dictionaries(text, st.one_of(text, st.just("v" * 200)), max_size=4).map(
    lambda labels: tuple(sorted({**labels, "__name__": "m"}.items()))
)
times = st.one_of(st.integers(-(1 << 63), (1 << 63) - 1), st.integers(1_600_000_000_000, 1_800_000_000_000))
samples = st.lists(st.tuples(times, st.floats()), max_size=4)
bodies = st.lists(st.tuples(label_sets, samples, st.integers(0, 2), st.integers(0, 2)), max_size=5)


def serialize(body) -> bytes:
    request = WriteRequest()
    for labels, pairs, exemplars, histograms in body:
        series = request.timeseries.add()
        for name, value in labels:
            series.labels.add(name=name, value=value)
        for time, value in pairs:
            series.samples.add(timestamp=time, value=value)
        for i in range(exemplars):
            series.exemplars.add(value=i).labels.add(name="trace_id", value="1")
        for i in range(histograms):
            series.histograms.add(sum=i)
        request.metadata.add(type=1, family="m")
    return request.SerializeToString()


def same_as_the_library(got: Samples, request) -> None:
    series = request.timeseries
    found = [labels_of(key, WriteLimits()) for key in got.keys]
    assert found == [tuple((label.name, label.value) for label in one.labels) for one in series]
    rows = [(i, s.timestamp, s.value) for i, one in enumerate(series) for s in one.samples]
    assert got.series.tolist() == [row[0] for row in rows]
    assert got.times.tolist() == [row[1] for row in rows]
    values = np.array([row[2] for row in rows])
    assert np.array_equal(got.values, np.where(np.isfinite(values), values, np.nan), equal_nan=True)
    assert got.skipped["infinite"] == np.isinf(values).sum()
    assert got.skipped["exemplars"] == sum(len(one.exemplars) for one in series)
    assert got.skipped["histograms"] == sum(len(one.histograms) for one in series)
    assert got.skipped["metadata"] == len(request.metadata)


@given(bodies)
@settings(deadline=None, max_examples=200)
def test_any_valid_body_reads_as_the_protobuf_library_reads_it(body) -> None:
    message = serialize(body)
    same_as_the_library(decode(compress(message), HEADERS), WriteRequest.FromString(message))


def _mutate(message: bytes, edits) -> bytes:
    out = bytearray(message)
    for kind, place, content in edits:
        at = place % (len(out) + 1)
        if kind == "cut":
            del out[at : at + len(content)]
        elif kind == "insert":
            out[at:at] = content
        else:
            out[at : at + len(content)] = content
    return bytes(out)


edits = st.lists(
    st.tuples(st.sampled_from(["cut", "insert", "set"]), st.integers(0, 4000), st.binary(min_size=1, max_size=6)),
    min_size=1,
    max_size=4,
)


@given(bodies, edits)
@settings(deadline=None, max_examples=400)
def test_a_mutated_message_is_refused_or_read_as_the_library_reads_it(body, edits) -> None:
    message = _mutate(serialize(body), edits)
    try:
        got = decode(compress(message), HEADERS)
    except InputError:
        return
    try:
        request = WriteRequest.FromString(message)
    except DecodeError:
        # The library looks into exemplars, histograms and metadata too, which we only count.
        return
    same_as_the_library(got, request)


@given(bodies, edits)
@settings(deadline=None, max_examples=200)
def test_a_mutated_body_is_refused_or_read(body, edits) -> None:
    mutated = _mutate(compress(serialize(body)), edits)
    try:
        got = decode(mutated, HEADERS, WriteLimits(decompressed_bytes=1 << 20))
    except InputError:
        return
    assert len(got.series) == len(got.times) == len(got.values) == len(got.stale)
    assert not len(got.series) or 0 <= got.series.min() <= got.series.max() < len(got.keys)


@given(st.binary(max_size=300))
@settings(deadline=None, max_examples=200)
def test_any_bytes_at_all_are_refused_or_read(content) -> None:
    for body in (content, compress(content)):
        try:
            decode(body, HEADERS, WriteLimits(decompressed_bytes=1 << 20))
        except InputError:
            continue


def test_the_scanner_reads_nothing_beyond_its_buffer() -> None:
    """Every prefix of a body, in a buffer whose next bytes would be a tempting continuation."""
    message = serialize([((("__name__", "m"),), [(1_700_000_000_000, 1.5), (5, 2.0)], 1, 1)] * 2)
    for end in range(len(message)):
        prefix = compress(message[:end])
        whole = [i for i in _series_ends(message) if i == end]
        if end == 0 or whole:
            decode(prefix, HEADERS)
        else:
            try:
                decode(prefix, HEADERS)
            except InputError:
                continue
            raise AssertionError(f"a body cut at byte {end} was read")


def _series_ends(message: bytes) -> list[int]:
    ends, pos = [], 0
    while pos < len(message):
        pos += 2 + message[pos + 1]  # every field here is shorter than 128 bytes
        ends.append(pos)
    return ends


def test_the_stale_marker_is_the_one_prometheus_uses() -> None:
    assert int(STALE_BITS) == 0x7FF0000000000002
