"""A bounds-checked scanner over the bytes of an OTLP `ExportMetricsServiceRequest`.

The rules are those of `_wire_fields.py`: nothing is read beyond the message around it, lengths are compared with what
is left, a fault stops the scan. Attributes, names and resources are not looked into: the scanner gives their spans.

The schema (field numbers of opentelemetry-proto 1.x, stable):
Request{1 resource_metrics}, ResourceMetrics{1 resource, 2 scope_metrics}, ScopeMetrics{2 metrics},
Metric{1 name, 3 unit, 5 gauge, 7 sum, 9 histogram, 10 exponential_histogram, 11 summary},
each of these {1 data_points, 2 aggregation_temporality, 3 is_monotonic (sum)},
NumberDataPoint{2 start, 3 time, 4 double, 6 sfixed64, 7 attributes, 8 flags},
HistogramDataPoint{2 start, 3 time, 4 count, 5 sum, 6 bucket_counts, 7 explicit_bounds, 9 attributes, 10 flags},
ExponentialHistogramDataPoint{1 attributes, 2 start, 3 time, 4 count, 5 sum, 6 scale, 7 zero_count, 8 positive,
9 negative, 10 flags}, Buckets{1 offset, 2 bucket_counts}, SummaryDataPoint{2 start, 3 time, 4 count, 5 sum,
6 quantile_values, 7 attributes, 8 flags}.

Two spellings that protobuf allows and no sender writes are refused instead of merged: a message field that comes twice
(two resources, two kinds of data in one metric) and a packed list in pieces or unpacked.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from aiops.model import I64
from aiops.sources import _wire_fields as wire
from aiops.sources._fingerprint import load64 as _fixed64
from aiops.sources._wire_fields import length as _length
from aiops.sources._wire_fields import skip as _skip
from aiops.sources._wire_fields import tag as _tag
from aiops.sources._wire_fields import varint as _varint

NO_ROOM, TWICE, IN_PIECES, BAD_LIST = range(101, 105)
"""Faults besides those of `_wire_fields.py`. NO_ROOM: come again with larger outputs."""

MESSAGES = wire.MESSAGES | {
    TWICE: "a message field that may come once comes twice",
    IN_PIECES: "a list of numbers is not packed, or in several pieces",
    BAD_LIST: "a packed list of 8-byte numbers has a length that is no multiple of 8",
}

GAUGE, SUM, HISTOGRAM, EXPONENTIAL, SUMMARY = 5, 7, 9, 10, 11
"""Kinds of data: their field numbers in Metric; 0 = none."""

RESOURCE, NAME, NAME_END, UNIT, UNIT_END, KIND, TEMPORALITY, MONOTONIC, FIRST_POINT, END_POINT = range(10)
"""Columns of `metrics`. RESOURCE is a row of `resources`, FIRST_POINT and END_POINT are rows of `points`."""

METRIC, ATTRS, ATTRS_END, FLAGS, HAS, COUNTS, COUNTS_END, BOUNDS, BOUNDS_END, SCALE, OFFSET, BELOW, POINT, POINT_END = (
    range(14)
)
"""Columns of `points`. ATTRS_END = -1: the attributes are not in one piece. HAS: 1 a double or a sum, 2 an integer.
COUNTS and BOUNDS are packed lists. Of an exponential histogram the counts are the positive ones, OFFSET is their
offset, BOUNDS is 1 when there are any, and BELOW is the number of negative observations."""

START_NS, TIME_NS, VALUE, COUNT, ZEROS = range(5)
"""Columns of `numbers`, as they come off the wire; VALUE is the bits of a double, an sfixed64 or a sum."""

N_RESOURCES, N_METRICS, N_POINTS, FAULT_AT = range(4)
"""Places in `tally`."""

_U64 = NDArray[np.uint64]
_Bytes = NDArray[np.uint8]


@njit(cache=True)
def _packed_sum(buf: _Bytes, pos: int, end: int) -> Any:
    """Sum of a packed list of varints as a float, and 0 or minus the fault."""
    total = 0.0
    while pos < end:
        value, pos = _varint(buf, pos, end)
        if pos < 0:
            return total, pos
        total += float(value)
    return total, 0


@njit(cache=True)
def _buckets(buf: _Bytes, pos: int, end: int) -> Any:
    """Offset, span and sum of the counts of a Buckets message; a negative last item is minus the fault."""
    offset, first, last, total = np.int64(0), 0, 0, 0.0
    while pos < end:
        tag, pos = _tag(buf, pos, end)
        if pos < 0:
            return offset, first, last, total, pos
        if tag == 8:
            value, pos = _varint(buf, pos, end)
            low = np.int64(value & np.uint64(0xFFFFFFFF))
            offset = (low >> 1) ^ -(low & 1)
        elif tag == 16:
            return offset, first, last, total, -IN_PIECES
        elif tag == 18:
            if last:
                return offset, first, last, total, -IN_PIECES
            first, last = _length(buf, pos, end)
            if first < 0:
                return offset, first, last, total, first
            total, fault = _packed_sum(buf, first, last)
            pos = last if fault == 0 else fault
        else:
            pos = _skip(buf, pos, end, tag & 7)
        if pos < 0:
            return offset, first, last, total, pos
    return offset, first, last, total, 0


@njit(cache=True)
def _point(  # noqa: PLR0915, PLR0917 - kernels take their state by position
    buf: _Bytes, pos: int, end: int, kind: int, point: I64, number: _U64
) -> Any:
    """Read one data point of any kind: 0 or minus the fault. One function, because its state may not be cut."""
    attributes = 10 if kind == EXPONENTIAL else 74 if kind == HISTOGRAM else 58
    flags = 80 if kind in (HISTOGRAM, EXPONENTIAL) else 64
    point[:] = 0
    number[:] = 0
    point[POINT], point[POINT_END] = pos, end
    seen_below = False
    while pos < end:
        field_start = pos
        tag, pos = _tag(buf, pos, end)
        if pos < 0:
            return pos
        if tag == attributes:
            start, pos = _length(buf, pos, end)
            if start < 0:
                return start
            if point[ATTRS] == 0:
                point[ATTRS], point[ATTRS_END] = field_start, pos
            else:
                point[ATTRS_END] = pos if point[ATTRS_END] == field_start else -1
            continue
        if tag & 7 == 1 and end - pos >= 8:
            bits = _fixed64(buf, pos)
            if tag == 17:
                number[START_NS] = bits
            elif tag == 25:
                number[TIME_NS] = bits
            elif kind in (GAUGE, SUM):
                if tag in (33, 49):
                    number[VALUE], point[HAS] = bits, 1 if tag == 33 else 2
            elif tag == 33:
                number[COUNT] = bits
            elif tag == 41:
                number[VALUE], point[HAS] = bits, 1
            elif kind == EXPONENTIAL and tag == 57:
                number[ZEROS] = bits
            elif kind == HISTOGRAM and tag in (49, 57):
                return -IN_PIECES
            pos += 8
            continue
        if tag == flags:
            value, pos = _varint(buf, pos, end)
            point[FLAGS] = np.int64(value & np.uint64(0xFFFFFFFF))
        elif kind == EXPONENTIAL and tag == 48:
            value, pos = _varint(buf, pos, end)
            low = np.int64(value & np.uint64(0xFFFFFFFF))
            point[SCALE] = (low >> 1) ^ -(low & 1)
        elif (kind == HISTOGRAM and tag in (50, 58)) or (kind == EXPONENTIAL and tag in (66, 74)):
            start, stop = _length(buf, pos, end)
            if start < 0:
                return start
            if kind == HISTOGRAM:
                column = COUNTS if tag == 50 else BOUNDS
                if point[column]:
                    return -IN_PIECES
                if (stop - start) & 7:
                    return -BAD_LIST
                point[column], point[column + 1] = start, stop
            else:
                offset, first, last, total, fault = _buckets(buf, start, stop)
                if fault < 0:
                    return fault
                if tag == 66:
                    if point[BOUNDS]:
                        return -TWICE
                    point[COUNTS], point[COUNTS_END], point[OFFSET], point[BOUNDS] = first, last, offset, 1
                else:
                    if seen_below:
                        return -TWICE
                    seen_below = True
                    point[BELOW] = np.int64(min(total, 2.0**62))
            pos = stop
        else:
            pos = _skip(buf, pos, end, tag & 7)
        if pos < 0:
            return pos
    return 0


@njit(cache=True)
def _data(  # noqa: PLR0917 - same
    buf: _Bytes, pos: int, end: int, metric: I64, points: I64, numbers: _U64, tally: I64, number: int
) -> Any:
    """Read a Gauge, Sum, Histogram, ExponentialHistogram or Summary: 0 or minus the fault."""
    while pos < end:
        tally[FAULT_AT] = pos
        tag, pos = _tag(buf, pos, end)
        if pos < 0:
            return pos
        if tag == 10:
            start, stop = _length(buf, pos, end)
            if start < 0:
                return start
            k = tally[N_POINTS]
            if k >= len(points):
                return -NO_ROOM
            fault = _point(buf, start, stop, metric[KIND], points[k], numbers[k])
            if fault < 0:
                return fault
            points[k, METRIC] = number
            tally[N_POINTS] += 1
            pos = stop
        elif tag in (16, 24):
            value, pos = _varint(buf, pos, end)
            metric[TEMPORALITY if tag == 16 else MONOTONIC] = np.int64(value & np.uint64(0xFFFFFFFF))
            if tag == 24:
                metric[MONOTONIC] = value != np.uint64(0)
        else:
            pos = _skip(buf, pos, end, tag & 7)
        if pos < 0:
            return pos
    return 0


@njit(cache=True)
def _metric(  # noqa: PLR0917 - same
    buf: _Bytes, pos: int, end: int, metrics: I64, points: I64, numbers: _U64, tally: I64
) -> Any:
    """Read one Metric: 0 or minus the fault."""
    if tally[N_METRICS] >= len(metrics):
        return -NO_ROOM
    metric = metrics[tally[N_METRICS]]
    metric[:] = 0
    metric[FIRST_POINT] = tally[N_POINTS]
    while pos < end:
        tag, pos = _tag(buf, pos, end)
        if pos < 0:
            return pos
        if tag & 7 != 2:
            pos = _skip(buf, pos, end, tag & 7)
            if pos < 0:
                return pos
            continue
        start, stop = _length(buf, pos, end)
        if start < 0:
            return start
        field, pos = tag >> 3, stop
        if field == 1:
            metric[NAME], metric[NAME_END] = start, stop
        elif field == 3:
            metric[UNIT], metric[UNIT_END] = start, stop
        elif field in (GAUGE, SUM, HISTOGRAM, EXPONENTIAL, SUMMARY):
            if metric[KIND]:
                return -TWICE
            metric[KIND] = field
            fault = _data(buf, start, stop, metric, points, numbers, tally, tally[N_METRICS])
            if fault < 0:
                return fault
    metric[END_POINT] = tally[N_POINTS]
    tally[N_METRICS] += 1
    return 0


@njit(cache=True)
def _scope_metrics(  # noqa: PLR0917 - same
    buf: _Bytes, pos: int, end: int, metrics: I64, points: I64, numbers: _U64, tally: I64
) -> Any:
    """Read one ScopeMetrics: 0 or minus the fault."""
    while pos < end:
        tag, pos = _tag(buf, pos, end)
        if pos < 0:
            return pos
        if tag != 18:
            pos = _skip(buf, pos, end, tag & 7)
            if pos < 0:
                return pos
            continue
        start, stop = _length(buf, pos, end)
        if start < 0:
            return start
        fault = _metric(buf, start, stop, metrics, points, numbers, tally)
        if fault < 0:
            return fault
        pos = stop
    return 0


@njit(cache=True)
def _resource_metrics(  # noqa: PLR0917 - same
    buf: _Bytes, pos: int, end: int, resources: I64, metrics: I64, points: I64, numbers: _U64, tally: I64
) -> Any:
    """Read one ResourceMetrics: 0 or minus the fault."""
    if tally[N_RESOURCES] >= len(resources):
        return -NO_ROOM
    resource, first, seen = resources[tally[N_RESOURCES]], tally[N_METRICS], False
    resource[:] = 0
    while pos < end:
        tag, pos = _tag(buf, pos, end)
        if pos < 0:
            return pos
        if tag not in (10, 18):
            pos = _skip(buf, pos, end, tag & 7)
            if pos < 0:
                return pos
            continue
        start, stop = _length(buf, pos, end)
        if start < 0:
            return start
        if tag == 10:
            if seen:
                return -TWICE
            seen = True
            resource[0], resource[1] = start, stop
        else:
            fault = _scope_metrics(buf, start, stop, metrics, points, numbers, tally)
            if fault < 0:
                return fault
        pos = stop
    metrics[first : tally[N_METRICS], RESOURCE] = tally[N_RESOURCES]
    tally[N_RESOURCES] += 1
    return 0


@njit(cache=True)
def scan(buf: _Bytes, resources: I64, metrics: I64, points: I64, numbers: _U64, tally: I64) -> Any:  # noqa: PLR0917 - same
    """Scan a request; the fault code, OK = 0.

    Parameters
    ----------
    buf : (b,) uint8, the decompressed body
    resources : (max, 2) int64, out: span of each resource
    metrics : (max, 10) int64, out: see RESOURCE
    points : (max, 14) int64, out: see METRIC
    numbers : (max, 5) uint64, out: see START_NS
    tally : (4,) int64 zeros, out: counts; FAULT_AT is the byte near which a fault was met
    """
    pos, end = 0, len(buf)
    while pos < end:
        tally[FAULT_AT] = pos
        tag, pos = _tag(buf, pos, end)
        if pos < 0:
            return -pos
        if tag != 10:
            pos = _skip(buf, pos, end, tag & 7)
            if pos < 0:
                return -pos
            continue
        start, stop = _length(buf, pos, end)
        if start < 0:
            return -start
        fault = _resource_metrics(buf, start, stop, resources, metrics, points, numbers, tally)
        if fault < 0:
            return -fault
        pos = stop
    return wire.OK
