"""The messages of remote_write, 1.0 and 2.0, as the protobuf library knows them: what our scanners are held against."""

from __future__ import annotations

import struct

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from tests.sources._ledger import Read

HEADERS_V2 = {"Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request"}

_TYPES = descriptor_pb2.FieldDescriptorProto
_PLAIN = {
    "string": _TYPES.TYPE_STRING,
    "double": _TYPES.TYPE_DOUBLE,
    "int64": _TYPES.TYPE_INT64,
    "uint32": _TYPES.TYPE_UINT32,
}

_V1 = {
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
_V2 = {
    "Sample": [("value", 1, "double", ""), ("timestamp", 2, "int64", ""), ("start_timestamp", 3, "int64", "")],
    "Exemplar": [("value", 2, "double", ""), ("timestamp", 3, "int64", "")],
    "Histogram": [("sum", 3, "double", ""), ("timestamp", 15, "int64", "")],
    "Metadata": [("type", 1, "int64", ""), ("help_ref", 3, "uint32", ""), ("unit_ref", 4, "uint32", "")],
    "TimeSeries": [
        ("labels_refs", 1, "uint32", "repeated"),
        ("samples", 2, "Sample", "repeated"),
        ("histograms", 3, "Histogram", "repeated"),
        ("exemplars", 4, "Exemplar", "repeated"),
        ("metadata", 5, "Metadata", ""),
    ],
    "Request": [("symbols", 4, "string", "repeated"), ("timeseries", 5, "TimeSeries", "repeated")],
}


def _message(package: str, schema: dict[str, list[tuple[str, int, str, str]]], wanted: str):
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    for name, columns in schema.items():
        message = file.message_type.add(name=name)
        for field_name, number, kind, label in columns:
            field = message.field.add(name=field_name, number=number)
            field.label = _TYPES.LABEL_REPEATED if label else _TYPES.LABEL_OPTIONAL
            field.type = _PLAIN.get(kind, _TYPES.TYPE_MESSAGE)
            if kind not in _PLAIN:
                field.type_name = f".{package}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{wanted}"))


WriteRequest = _message("test_write_v1", _V1, "WriteRequest")
RequestV2 = _message("test_write_v2", _V2, "Request")


def message_v1(body):
    """A message of version 1 of series as `_write_strategies.bodies` makes them."""
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
    return request


def message_v2(body, *, start_ms: int = 0):
    """The same in version 2, symbols in the order in which they were first needed."""
    symbols = {"": 0}
    request = RequestV2()
    for labels, pairs, exemplars, histograms in body:
        series = request.timeseries.add()
        series.labels_refs.extend(symbols.setdefault(text, len(symbols)) for label in labels for text in label)
        for time, value in pairs:
            series.samples.add(timestamp=time, value=value, start_timestamp=start_ms)
        for i in range(exemplars):
            series.exemplars.add(value=i)
        for i in range(histograms):
            series.histograms.add(sum=i)
        series.metadata.help_ref = 0
    request.symbols.extend(symbols)
    return request


def _bits(value: float) -> int:
    return struct.unpack("<Q", struct.pack("<d", value))[0]


def read_v1(request) -> Read:
    """What a message of version 1 says, by the library."""
    series = request.timeseries
    labels = [tuple((label.name, label.value) for label in one.labels) for one in series]
    rows = [(labels[i], s.timestamp, _bits(s.value)) for i, one in enumerate(series) for s in one.samples]
    return Read(rows, _skipped(series, len(request.metadata)))


def read_v2(request) -> Read:
    """What a message of version 2 says, by the library."""
    series, symbols = request.timeseries, list(request.symbols)
    refs = [list(one.labels_refs) for one in series]
    labels = [tuple((symbols[a], symbols[b]) for a, b in zip(r[::2], r[1::2], strict=True)) for r in refs]
    rows = [(labels[i], s.timestamp, _bits(s.value)) for i, one in enumerate(series) for s in one.samples]
    return Read(rows, _skipped(series, sum(one.HasField("metadata") for one in series)))


def _skipped(series, metadata: int) -> dict[str, int]:
    return {
        "exemplars": sum(len(one.exemplars) for one in series),
        "histograms": sum(len(one.histograms) for one in series),
        "metadata": metadata,
    }
