"""A bounds-checked scanner over the bytes of a `prometheus.WriteRequest`.

The sender is not trusted. Rule 1: no byte is read at or after the end of the message around it, and every end is at
most the end of the buffer. Rule 2: lengths are compared with what is left, never added first, so nothing wraps. Rule 3:
a fault stops the scan with a code and a place; what was written to the outputs by then is not used.

Labels are not looked into: the scanner gives the span of a series' label fields, and equal bytes mean equal labels.
The schema (field numbers): WriteRequest{1 timeseries, 3 metadata}, TimeSeries{1 labels, 2 samples, 3 exemplars,
4 histograms}, Sample{1 double value, 2 int64 timestamp}. A known field with a foreign wire type is an unknown field,
and unknown fields are skipped, as the protobuf library does it. Groups, which protobuf gave up long ago, are a fault.

Places are indexed as unsigned numbers, for which numba leaves out the test for a negative index: half of the time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

OK, TRUNCATED, BAD_VARINT, BAD_TAG, GROUP, TOO_MANY_SERIES, TOO_MANY_SAMPLES = range(7)

MESSAGES = {
    TRUNCATED: "a field is longer than the message around it",
    BAD_VARINT: "a varint is longer than 10 bytes",
    BAD_TAG: "a field has number 0, a number over 2^29 - 1, or a wire type that does not exist",
    GROUP: "groups are not supported",
}

LABELS_START, LABELS_END, SERIES_START, SERIES_END = range(4)
"""Columns of `spans`. LABELS_END = -1: the label fields are not in one piece."""

PLAIN_SAMPLE_BYTES = 18
"""Tag and length (2), tag and value (9), tag and timestamp (7: unix ms from 1971 to 2109)."""

N_SERIES, N_SAMPLES, N_EXEMPLARS, N_HISTOGRAMS, N_METADATA, FAULT_AT = range(6)
"""Places in `tally`."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_TAG_1_BYTES, _TAG_2_BYTES, _TAG_3_BYTES, _TAG_4_BYTES = 10, 18, 26, 34
_TAG_1_FIXED64, _TAG_2_VARINT = 9, 16


@njit(cache=True)
def _varint(buf: NDArray[np.uint8], pos: int, end: int) -> Any:
    """Value (uint64) and the place after it; a negative place is minus the fault."""
    if pos < end and buf[np.uint64(pos)] < 128:
        return np.uint64(buf[np.uint64(pos)]), pos + 1
    value = np.uint64(0)
    for i in range(10):
        if pos >= end:
            return value, -TRUNCATED
        byte = np.uint64(buf[np.uint64(pos)])
        pos += 1
        value |= (byte & np.uint64(127)) << np.uint64(7 * i)
        if byte < np.uint64(128):
            return value, pos
    return value, -BAD_VARINT


@njit(cache=True)
def _tag(buf: NDArray[np.uint8], pos: int, end: int) -> Any:
    """Tag (number << 3 | wire type) and the place after it."""
    value, pos = _varint(buf, pos, end)
    if pos < 0:
        return 0, pos
    if value < np.uint64(8) or value > np.uint64(0xFFFFFFFF):
        return 0, -BAD_TAG
    return np.int64(value), pos


@njit(cache=True)
def _length(buf: NDArray[np.uint8], pos: int, end: int) -> Any:
    """Start and end of a length-delimited field's content; a negative start is minus the fault."""
    value, pos = _varint(buf, pos, end)
    if pos < 0:
        return pos, pos
    if value > np.uint64(end - pos):
        return -TRUNCATED, -TRUNCATED
    return pos, pos + np.int64(value)


@njit(cache=True)
def _skip(buf: NDArray[np.uint8], pos: int, end: int, wire: int) -> Any:
    """The place after a field's value."""
    if wire == _VARINT:
        return _varint(buf, pos, end)[1]
    if wire == _BYTES:
        return _length(buf, pos, end)[1]
    if wire == _FIXED64:
        return pos + 8 if end - pos >= 8 else -TRUNCATED
    if wire == _FIXED32:
        return pos + 4 if end - pos >= 4 else -TRUNCATED
    return -GROUP if wire in (3, 4) else -BAD_TAG


@njit(cache=True)
def _fixed64(buf: NDArray[np.uint8], pos: int) -> Any:
    value = np.uint64(0)
    for i in range(8):
        value |= np.uint64(buf[np.uint64(pos + i)]) << np.uint64(8 * i)
    return value


@njit(cache=True)
def _sample(buf: NDArray[np.uint8], pos: int, end: int) -> Any:
    """Timestamp, bits of the value, and 0 or minus the fault. Of a repeated field the last one counts."""
    time, bits = np.uint64(0), np.uint64(0)
    while pos < end:
        tag, pos = _tag(buf, pos, end)
        if pos < 0:
            return time, bits, pos
        if tag == _TAG_1_FIXED64 and end - pos >= 8:
            bits = _fixed64(buf, pos)
            pos += 8
        elif tag == _TAG_2_VARINT:
            time, pos = _varint(buf, pos, end)
        else:
            pos = _skip(buf, pos, end, tag & 7)
        if pos < 0:
            return time, bits, pos
    return time, bits, 0


@njit(cache=True)
def _short_labels(buf: NDArray[np.uint8], pos: int, end: int) -> Any:
    """The place after the label fields that begin at `pos`, as far as each is shorter than 128 bytes."""
    while end - pos >= 2 and buf[np.uint64(pos)] == _TAG_1_BYTES:
        size = int(buf[np.uint64(pos + 1)])
        if size >= 128 or size > end - pos - 2:
            break
        pos += 2 + size
    return pos


@njit(cache=True)
def _plain_sample(buf: NDArray[np.uint8], pos: int, end: int) -> Any:
    """Tell whether a sample field as every sender writes it begins at `pos`: a value, then a six-byte timestamp."""
    if end - pos < PLAIN_SAMPLE_BYTES:
        return False
    at = np.uint64(pos)
    if buf[at] != _TAG_2_BYTES or buf[at + np.uint64(1)] != PLAIN_SAMPLE_BYTES - 2:
        return False
    if buf[at + np.uint64(2)] != _TAG_1_FIXED64 or buf[at + np.uint64(11)] != _TAG_2_VARINT:
        return False
    septets = buf[at + np.uint64(12)] & buf[at + np.uint64(13)] & buf[at + np.uint64(14)]
    septets &= buf[at + np.uint64(15)] & buf[at + np.uint64(16)]
    return septets >= 128 and buf[at + np.uint64(17)] < 128


@njit(cache=True)
def _plain_time(buf: NDArray[np.uint8], pos: int) -> Any:
    value = np.uint64(0)
    for i in range(6):
        value |= np.uint64(buf[np.uint64(pos + i)] & 127) << np.uint64(7 * i)
    return value


@njit(cache=True)
def _series(  # noqa: PLR0917 - kernels take their state by position
    buf: NDArray[np.uint8],
    pos: int,
    end: int,
    span: NDArray[np.int64],
    series: NDArray[np.int32],
    times: NDArray[np.int64],
    bits: NDArray[np.uint64],
    tally: NDArray[np.int64],
) -> Any:
    """Read one TimeSeries: 0 or minus the fault. Longer than a screen because a kernel may not be cut at its state."""
    number, k = tally[N_SERIES], tally[N_SAMPLES]
    labels_start = pos
    labels_end = _short_labels(buf, pos, end)
    span[SERIES_START], span[SERIES_END] = pos, end
    pos = labels_end
    while pos < end:
        if k < len(times) and _plain_sample(buf, pos, end):
            times[k], bits[k], series[k] = np.int64(_plain_time(buf, pos + 12)), _fixed64(buf, pos + 3), number
            k += 1
            pos += PLAIN_SAMPLE_BYTES
            continue
        field_start = tally[FAULT_AT] = pos
        tag, pos = _tag(buf, pos, end)
        if pos < 0:
            return pos
        if (tag & 7) != _BYTES:
            pos = _skip(buf, pos, end, tag & 7)
            if pos < 0:
                return pos
            continue
        start, stop = _length(buf, pos, end)
        if start < 0:
            return start
        pos = stop
        if tag == _TAG_1_BYTES:
            if labels_start == labels_end:
                labels_start = labels_end = field_start
            labels_end = stop if labels_end == field_start else -1
        elif tag == _TAG_2_BYTES:
            if k >= len(times):
                return -TOO_MANY_SAMPLES
            time, value, fault = _sample(buf, start, stop)
            if fault < 0:
                return fault
            times[k], bits[k], series[k] = np.int64(time), value, number
            k += 1
        elif tag == _TAG_3_BYTES:
            tally[N_EXEMPLARS] += 1
        elif tag == _TAG_4_BYTES:
            tally[N_HISTOGRAMS] += 1
    span[LABELS_START], span[LABELS_END] = labels_start, labels_end
    tally[N_SAMPLES] = k
    return 0


@njit(cache=True)
def scan(  # noqa: PLR0917 - same
    buf: NDArray[np.uint8],
    spans: NDArray[np.int64],
    series: NDArray[np.int32],
    times: NDArray[np.int64],
    bits: NDArray[np.uint64],
    tally: NDArray[np.int64],
) -> Any:
    """Scan a WriteRequest; the fault code, OK = 0.

    Parameters
    ----------
    buf : (b,) uint8, the decompressed body
    spans : (max series, 4) int64, out: places of each series and its labels, see LABELS_START
    series, times, bits : (max samples,), out: number of the series in the body, unix ms, float64 bits of each sample
    tally : (6,) int64 zeros, out: counts, see N_SERIES; FAULT_AT is the byte at which a fault was met
    """
    pos, end = 0, len(buf)
    while pos < end:
        tally[FAULT_AT] = pos
        tag, pos = _tag(buf, pos, end)
        if pos < 0:
            return -pos
        if tag != _TAG_1_BYTES:
            tally[N_METADATA] += tag == _TAG_3_BYTES
            pos = _skip(buf, pos, end, tag & 7)
            if pos < 0:
                return -pos
            continue
        start, stop = _length(buf, pos, end)
        if start < 0:
            return -start
        if tally[N_SERIES] >= len(spans):
            return TOO_MANY_SERIES
        fault = _series(buf, start, stop, spans[tally[N_SERIES]], series, times, bits, tally)
        if fault < 0:
            return -fault
        tally[N_SERIES] += 1
        pos = stop
    return OK
