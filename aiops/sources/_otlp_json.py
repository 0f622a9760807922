"""OTLP in JSON, written anew as protobuf: one reader for both, and one meaning.

JSON is what people send by hand and what browsers send; it need not be fast. OTLP differs from protobuf's own JSON: ids
are hex (we read none) and enums are numbers. As there, 64-bit integers may be strings, doubles may be "NaN" or
"Infinity", null is nothing, and unknown keys are ignored. Names of enum values are read too: some senders write them.
"""

from __future__ import annotations

import base64
import binascii
import math
import struct
from collections.abc import Callable, Iterable
from typing import TypeVar

import msgspec

from aiops.errors import InputError
from aiops.sources._pushed_samples import varint

_Number = int | float | str

_T = TypeVar("_T")

_DEEPEST = 16
"""Lists and maps within an attribute; what the reader of protobuf allows, so that this is refused for what it is."""


class _Message(msgspec.Struct, rename="camel"):
    """Keys of OTLP's JSON are in lowerCamelCase."""


class _AnyValue(_Message):
    string_value: str | None = None
    bool_value: bool | None = None
    int_value: _Number | None = None
    double_value: _Number | None = None
    array_value: _ArrayValue | None = None
    kvlist_value: _Attributes | None = None
    bytes_value: str | None = None


class _ArrayValue(_Message):
    values: list[_AnyValue] | None = None


class _KeyValue(_Message):
    key: str | None = None
    value: _AnyValue | None = None


class _Attributes(_Message):
    values: list[_KeyValue] | None = None


class _Point(_Message):
    """Any kind of data point; each kind uses its own keys."""

    attributes: list[_KeyValue] | None = None
    start_time_unix_nano: _Number | None = None
    time_unix_nano: _Number | None = None
    flags: _Number | None = None
    as_double: _Number | None = None
    as_int: _Number | None = None
    count: _Number | None = None
    sum: _Number | None = None
    bucket_counts: list[_Number] | None = None
    explicit_bounds: list[_Number] | None = None
    scale: _Number | None = None
    zero_count: _Number | None = None
    positive: _Buckets | None = None
    negative: _Buckets | None = None
    quantile_values: list[_Quantile] | None = None


class _Buckets(_Message):
    offset: _Number | None = None
    bucket_counts: list[_Number] | None = None


class _Quantile(_Message):
    quantile: _Number | None = None
    value: _Number | None = None


class _Data(_Message):
    data_points: list[_Point] | None = None
    aggregation_temporality: int | str | None = None
    is_monotonic: bool | None = None


class _Metric(_Message):
    name: str | None = None
    unit: str | None = None
    gauge: _Data | None = None
    sum: _Data | None = None
    histogram: _Data | None = None
    exponential_histogram: _Data | None = None
    summary: _Data | None = None


class _ScopeMetrics(_Message):
    metrics: list[_Metric] | None = None


class _Resource(_Message):
    attributes: list[_KeyValue] | None = None


class _ResourceMetrics(_Message):
    resource: _Resource | None = None
    scope_metrics: list[_ScopeMetrics] | None = None


class _Request(_Message):
    resource_metrics: list[_ResourceMetrics] | None = None


_TEMPORALITIES = {
    "AGGREGATION_TEMPORALITY_UNSPECIFIED": 0,
    "AGGREGATION_TEMPORALITY_DELTA": 1,
    "AGGREGATION_TEMPORALITY_CUMULATIVE": 2,
}


def to_protobuf(body: bytes) -> bytes:
    """The same request in protobuf, without what no metric needs.

    Raises
    ------
    InputError : not JSON, not OTLP, a number out of range, two values where one may be, or nested too deeply
    """
    try:
        request = msgspec.json.decode(body, type=_Request)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"the body is no OTLP JSON: {error}") from None
    try:
        return _each(1, request.resource_metrics, _resource_metrics)
    except (struct.error, OverflowError, UnicodeEncodeError, binascii.Error, ValueError) as error:
        raise InputError(f"the body is no OTLP JSON: {error}") from None


def _resource_metrics(one: _ResourceMetrics) -> bytes:
    resource = b"" if one.resource is None else _nested(1, _key_values(1, one.resource.attributes))
    return resource + _each(2, one.scope_metrics, lambda scope: _each(2, scope.metrics, _metric))


def _metric(one: _Metric) -> bytes:
    kinds: tuple[tuple[int, _Data | None, Callable[[_Point], bytes]], ...] = (
        (5, one.gauge, _number_point),
        (7, one.sum, _number_point),
        (9, one.histogram, _histogram_point),
        (10, one.exponential_histogram, _exponential_point),
        (11, one.summary, _summary_point),
    )
    out = [_text(1, one.name), _text(3, one.unit)]
    out += [_nested(number, _data(data, point)) for number, data, point in kinds if data is not None]
    return b"".join(out)


def _data(one: _Data, point: Callable[[_Point], bytes]) -> bytes:
    temporality = one.aggregation_temporality or 0
    if isinstance(temporality, str):
        if temporality not in _TEMPORALITIES:
            raise ValueError(f"aggregationTemporality {temporality[:80]!r} is not known")
        temporality = _TEMPORALITIES[temporality]
    monotonic = varint(3 << 3) + b"\x01" if one.is_monotonic else b""
    return _each(1, one.data_points, point) + _varint_field(2, temporality or None) + monotonic


def _number_point(one: _Point) -> bytes:
    if one.as_double is not None and one.as_int is not None:
        raise ValueError("a data point has both asDouble and asInt")
    double = b"" if one.as_double is None else _double(4, one.as_double)
    integer = b"" if one.as_int is None else varint(6 << 3 | 1) + struct.pack("<q", _whole(one.as_int))
    return _times(one) + double + integer + _key_values(7, one.attributes) + _varint_field(8, one.flags)


def _histogram_point(one: _Point) -> bytes:
    counts = b"".join(struct.pack("<Q", _whole(count)) for count in one.bucket_counts or ())
    bounds = b"".join(struct.pack("<d", _float(bound)) for bound in one.explicit_bounds or ())
    lists = (_nested(6, counts) if counts else b"") + (_nested(7, bounds) if bounds else b"")
    return _times(one) + _counts(one) + lists + _key_values(9, one.attributes) + _varint_field(10, one.flags)


def _exponential_point(one: _Point) -> bytes:
    out = [_key_values(1, one.attributes), _times(one), _counts(one), _zigzag(6, one.scale), _fixed(7, one.zero_count)]
    for number, buckets in ((8, one.positive), (9, one.negative)):
        if buckets is not None:
            counts = b"".join(_unsigned(count) for count in buckets.bucket_counts or ())
            out.append(_nested(number, _zigzag(1, buckets.offset) + (_nested(2, counts) if counts else b"")))
    return b"".join([*out, _varint_field(10, one.flags)])


def _summary_point(one: _Point) -> bytes:
    quantiles = _each(6, one.quantile_values, lambda q: _double(1, q.quantile or 0) + _double(2, q.value or 0))
    return _times(one) + _counts(one) + quantiles + _key_values(7, one.attributes) + _varint_field(8, one.flags)


def _times(one: _Point) -> bytes:
    return _fixed(2, one.start_time_unix_nano) + _fixed(3, one.time_unix_nano)


def _counts(one: _Point) -> bytes:
    return _fixed(4, one.count) + (b"" if one.sum is None else _double(5, one.sum))


def _key_values(number: int, attributes: list[_KeyValue] | None) -> bytes:
    return b"".join(_nested(number, _key_value(one, _DEEPEST)) for one in attributes or ())


def _key_value(one: _KeyValue, depth: int) -> bytes:
    return _text(1, one.key) + (b"" if one.value is None else _nested(2, _any_value(one.value, depth)))


def _any_value(one: _AnyValue, depth: int) -> bytes:
    out = list[bytes]()
    if one.string_value is not None:
        out.append(_nested(1, one.string_value.encode()))
    if one.bool_value is not None:
        out.append(varint(2 << 3) + varint(int(one.bool_value)))
    if one.int_value is not None:
        (bits,) = struct.unpack("<Q", struct.pack("<q", _whole(one.int_value)))
        out.append(varint(3 << 3) + varint(bits))
    if one.double_value is not None:
        out.append(_double(4, one.double_value))
    if one.bytes_value is not None:
        out.append(_nested(7, base64.b64decode(one.bytes_value, validate=True)))
    if one.array_value is not None or one.kvlist_value is not None:
        if depth == 0:
            raise ValueError(f"an attribute is nested deeper than {_DEEPEST} levels")
        values = [] if one.array_value is None else one.array_value.values or []
        pairs = [] if one.kvlist_value is None else one.kvlist_value.values or []
        if one.array_value is not None:
            out.append(_nested(5, b"".join(_nested(1, _any_value(value, depth - 1)) for value in values)))
        if one.kvlist_value is not None:
            out.append(_nested(6, b"".join(_nested(1, _key_value(pair, depth - 1)) for pair in pairs)))
    if len(out) > 1:
        raise ValueError("an attribute has two values")
    return b"".join(out)


def _each(number: int, items: Iterable[_T] | None, written: Callable[[_T], bytes]) -> bytes:
    return b"".join(_nested(number, written(item)) for item in items or ())


def _nested(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def _text(number: int, text: str | None) -> bytes:
    return _nested(number, text.encode()) if text else b""


def _fixed(number: int, value: _Number | None) -> bytes:
    return b"" if value is None else varint(number << 3 | 1) + struct.pack("<Q", _whole(value))


def _double(number: int, value: _Number) -> bytes:
    return varint(number << 3 | 1) + struct.pack("<d", _float(value))


def _varint_field(number: int, value: _Number | None) -> bytes:
    return b"" if value is None else varint(number << 3) + _unsigned(value, most=2**32 - 1)


def _zigzag(number: int, value: _Number | None) -> bytes:
    if value is None:
        return b""
    (bits,) = struct.unpack("<I", struct.pack("<i", _whole(value)))
    return varint(number << 3) + varint((bits << 1 ^ -(bits >> 31)) & 0xFFFFFFFF)


def _unsigned(value: _Number, most: int = 2**64 - 1) -> bytes:
    whole = _whole(value)
    if not 0 <= whole <= most:
        raise ValueError(f"{whole} must be between 0 and {most}")
    return varint(whole)


def _whole(value: _Number) -> int:
    """An integer, also from the text of one; 64 bits have at most 20 digits."""
    if isinstance(value, str) and not (value.removeprefix("-").isdecimal() and value.isascii() and len(value) <= 20):
        raise ValueError(f"{value[:80]!r} is no whole number")
    if isinstance(value, float) and not (math.isfinite(value) and value.is_integer()):
        raise ValueError(f"{value} is no whole number")
    return int(value)


def _float(value: _Number) -> float:
    if isinstance(value, str) and len(value) > 400:  # no double needs more digits than that
        raise ValueError("a number has more than 400 characters")
    return float(value)
