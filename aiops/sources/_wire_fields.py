"""Fields of protobuf messages, read in kernels. The sender is not trusted.

Rule 1: no byte is read at or after the end of the message around it, and every end is at most the end of the buffer.
Rule 2: lengths are compared with what is left, never added first, so nothing wraps. Rule 3: a fault stops the scan with
a code and a place; what was written to the outputs by then is not used.

A known field with a foreign wire type is an unknown field, and unknown fields are skipped, as the protobuf library does
it. Groups, which protobuf gave up long ago, are a fault.

Places are indexed as unsigned numbers, for which numba leaves out the test for a negative index: half of the time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from aiops.sources._fingerprint import U8, load64

OK, TRUNCATED, BAD_VARINT, BAD_TAG, GROUP, BAD_REF, OTHER_VERSION = range(7)
TOO_MANY_SERIES, TOO_MANY_SAMPLES, TOO_MANY_SYMBOLS, LONG_LABEL = range(7, 11)

MESSAGES = {
    TRUNCATED: "a field is longer than the message around it",
    BAD_VARINT: "a varint is longer than 10 bytes",
    BAD_TAG: "a field has number 0, a number over 2^29 - 1, or a wire type that does not exist",
    GROUP: "groups are not supported",
    BAD_REF: "a label refers to a symbol that is not there, or a name has no value",
    OTHER_VERSION: "it has the fields of the other version of remote_write, which the Content-Type does not say",
}

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types."""

TAG_1_VARINT, TAG_1_FIXED64, TAG_2_VARINT = 8, 9, 16
TAG_1_BYTES, TAG_2_BYTES, TAG_3_BYTES, TAG_4_BYTES, TAG_5_BYTES = 10, 18, 26, 34, 42

PLAIN_SAMPLE_BYTES = 18
"""Tag and length (2), tag and value (9), tag and timestamp (7: unix ms from 1971 to 2109)."""


@njit(cache=True)
def varint(buf: U8, pos: int, end: int) -> Any:
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
def tag(buf: U8, pos: int, end: int) -> Any:
    """Tag (number << 3 | wire type) and the place after it."""
    value, pos = varint(buf, pos, end)
    if pos < 0:
        return 0, pos
    if value < np.uint64(8) or value > np.uint64(0xFFFFFFFF):
        return 0, -BAD_TAG
    return np.int64(value), pos


@njit(cache=True)
def length(buf: U8, pos: int, end: int) -> Any:
    """Start and end of a length-delimited field's content; a negative start is minus the fault."""
    value, pos = varint(buf, pos, end)
    if pos < 0:
        return pos, pos
    if value > np.uint64(end - pos):
        return -TRUNCATED, -TRUNCATED
    return pos, pos + np.int64(value)


@njit(cache=True)
def skip(buf: U8, pos: int, end: int, wire: int) -> Any:
    """The place after a field's value."""
    if wire == VARINT:
        return varint(buf, pos, end)[1]
    if wire == BYTES:
        return length(buf, pos, end)[1]
    if wire == FIXED64:
        return pos + 8 if end - pos >= 8 else -TRUNCATED
    if wire == FIXED32:
        return pos + 4 if end - pos >= 4 else -TRUNCATED
    return -GROUP if wire in (3, 4) else -BAD_TAG


@njit(cache=True)
def field(buf: U8, pos: int, end: int) -> Any:
    """Tag of the field at `pos`, start of its content, and the place after it; a negative one is minus the fault."""
    key, pos = tag(buf, pos, end)
    if pos < 0:
        return 0, 0, pos
    if (key & 7) == BYTES:
        start, after = length(buf, pos, end)
        return key, start, after
    return key, pos, skip(buf, pos, end, key & 7)


@njit(cache=True)
def sample(buf: U8, pos: int, end: int) -> Any:
    """Timestamp, bits of the value, and 0 or minus the fault. Of a repeated field the last one counts."""
    time, bits = np.uint64(0), np.uint64(0)
    while pos < end:
        key, start, pos = field(buf, pos, end)
        if pos < 0:
            return time, bits, pos
        if key == TAG_1_FIXED64:
            bits = load64(buf, start)
        elif key == TAG_2_VARINT:
            time = varint(buf, start, end)[0]
    return time, bits, 0


@njit(cache=True)
def is_plain(head: Any, tail: Any) -> Any:
    """Tell whether a sample field is as every sender writes it: a value, then a six-byte timestamp.

    Parameters
    ----------
    head, tail : uint64, the first and the last 8 of its PLAIN_SAMPLE_BYTES
    """
    # Tag 18 and length 16, tag 9, ..., tag 16; of the septets all but the last go on.
    is_tagged = (head & np.uint64(0xFFFFFF)) == np.uint64(0x091012)
    return is_tagged and (tail & np.uint64(0x808080808080FF00)) == np.uint64(0x0080808080801000)


@njit(cache=True)
def plain_time(tail: Any) -> Any:
    """The timestamp of a plain sample, from its last 8 bytes as one number."""
    word = tail >> np.uint64(16)
    value = np.uint64(0)
    for i in range(6):
        value |= ((word >> np.uint64(8 * i)) & np.uint64(127)) << np.uint64(7 * i)
    return np.int64(value)
