"""Samples of a frame as columns of bytes that a compressor can do something with, and back without loss.

Theory. A frame holds most series once, so there is no earlier value to take a difference from, and a reader begins
anywhere, so none may be remembered. What is left is that measured numbers are decimal ones: a counter is whole, a
ratio has two digits, a CPU clock counts nanoseconds. As float64 their bits look random; as a whole number of
hundredths they have as many bits as they have to say.

Rule 1. A value is stored as n with v = n / 10^e for the least e of `EXPONENTS` for which this division, which IEEE 754
rounds correctly, gives back exactly v. Otherwise (NaN, infinity, -0, more digits) its bits are stored.
Rule 2. All integers are stored byte plane by byte plane, lowest first, planes that would be zero left out.
Rule 3. Planes are compressed each with a code of its own: most are noise, and one that is not, such as the lowest of
numbers without a sign or the highest, is lost among them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aiops.model import F64, I32, I64

U64 = NDArray[np.uint64]
U8 = NDArray[np.uint8]

EXPONENTS = (0, 1, 2, 3, 4, 6, 9)
"""Tenths to nanoseconds: chosen; what has five digits is stored with six."""
BITS = 255
"""In the place of an exponent: the bits of the float."""

_SIGN = np.uint64(1 << 63)
_WHOLE_BELOW = np.float64(2.0**51).view(np.uint64)
_WIDEST = ((2.0**20, 1e9), (2.0**30, 1e6), (2.0**40, 1e3))
"""Below these a value times that is below 2^51, where neighbouring floats are less than a half apart."""


def most_bytes(samples: int) -> int:
    """How long the columns of so many samples can be."""
    return 25 * samples + 3 + len(EXPONENTS)


def pack_columns(numbers: I32, times: I64, values: F64) -> list[bytes]:
    """Samples (k,) as bytes, in parts that are each of one kind; the first time is not in them.

    >>> parts = pack_columns(np.arange(3, dtype=np.int32), np.full(3, 5), np.array([0.25, 7.0, 1e300]))
    >>> data = b"".join(parts)
    >>> len(data)
    18
    >>> [column.tolist() for column in unpack_columns(data, 3, 5)]
    [[0, 1, 2], [5, 5, 5], [0.25, 7.0, 1e+300]]
    """
    jumps = np.diff(numbers, prepend=np.int32(-1)).astype(np.int64) - 1
    steps = np.diff(times, prepend=times[:1]).astype(np.int64)
    codes, wholes = _decimals(values)
    parts = [*_planes(_unsigned(jumps)), *_planes(_unsigned(steps)), codes.tobytes()]
    there = np.bincount(codes, minlength=BITS + 1)
    for e in EXPONENTS:
        parts += _planes(_unsigned(wholes[codes == e])) if there[e] else []
    return [*parts, *(_planes(values.view(np.uint64)[codes == BITS]) if there[BITS] else [])]


def unpack_columns(data: bytes, samples: int, first_ms: int) -> tuple[I32, I64, F64]:
    """Numbers, times and values (k,) of the parts of `pack_columns`, joined.

    Raises
    ------
    ValueError : damaged
    """
    reader = _Reader(data)
    jumps, steps = _signed(reader.integers(samples)), _signed(reader.integers(samples))
    codes = reader.bytes(samples)
    there = np.bincount(codes, minlength=BITS + 1)
    values = np.empty(samples)
    for e in EXPONENTS:
        if there[e]:
            values[codes == e] = _signed(reader.integers(int(there[e]))) / 10.0**e
    if there[BITS]:
        values[codes == BITS] = reader.integers(int(there[BITS])).view(np.float64)
    if int(there[[*EXPONENTS, BITS]].sum()) != samples or reader.at != len(data):
        raise ValueError(
            f"columns of {samples} samples end at byte {reader.at} of {len(data)}, or have other exponents"
        )
    return (np.cumsum(jumps + 1) - 1).astype(np.int32), np.cumsum(steps) + np.int64(first_ms), values


def _decimals(values: F64) -> tuple[U8, I64]:
    """The exponent (or `BITS`) and the whole number of each value."""
    codes, bits = np.full(len(values), BITS, np.uint8), values.view(np.uint64)
    # Compared as bits: a stale marker is a signalling NaN and would raise a flag as a float.
    is_small = ((bits & ~_SIGN) < _WHOLE_BELOW) & (bits != _SIGN)
    small = np.where(is_small, values, 0.0)
    wholes = np.rint(small)
    is_whole = is_small & (wholes == small)
    codes[is_whole] = 0
    left = np.flatnonzero(is_small & ~is_whole)
    left = left[_has_few_digits(small[left])]
    for e in EXPONENTS[1:]:
        rest, power = small[left], 10.0**e
        scaled = np.rint(rest * power)
        fits = scaled / power == rest
        codes[left[fits]], wholes[left[fits]] = e, scaled[fits]
        left = left[~fits]
    return codes, wholes.astype(np.int64)


def _has_few_digits(values: F64) -> NDArray[np.bool_]:
    """Whether any exponent will do: one look at the highest saves floats that have none from all the others."""
    power, size = np.full(len(values), 10.0), np.abs(values)
    for below, highest in reversed(_WIDEST):
        power[size < below] = highest
    return np.asarray(np.rint(values * power) / power == values)


def _unsigned(numbers: I64) -> U64:
    """Signs into the lowest bit: 0, -1, 1, -2 as 0, 1, 2, 3."""
    return ((numbers << 1) ^ (numbers >> 63)).view(np.uint64)


def _signed(numbers: U64) -> I64:
    return (numbers >> np.uint64(1)).view(np.int64) ^ -(numbers & np.uint64(1)).view(np.int64)


def _planes(numbers: U64) -> list[bytes]:
    """How many planes, then the planes."""
    count = (int(np.bitwise_or.reduce(numbers)).bit_length() + 7) // 8
    planes = numbers.astype("<u8", copy=False).view(np.uint8).reshape(-1, 8).T[:count]
    return [bytes((count,)), *(plane.tobytes() for plane in planes)]


class _Reader:
    """Reads columns one after the other; ValueError where there is nothing more."""

    def __init__(self, data: bytes) -> None:
        self.at = 0
        self._data = np.frombuffer(data, np.uint8)

    def bytes(self, count: int) -> U8:
        """So many bytes as they are."""
        found = self._data[self.at : self.at + count]
        if len(found) < count:
            raise ValueError(f"columns end at byte {len(self._data)}, before a column of {count} bytes")
        self.at += count
        return found

    def integers(self, count: int) -> U64:
        """So many integers from their planes."""
        planes = int(self.bytes(1)[0])
        if planes > 8:
            raise ValueError(f"a column has at most 8 planes, got {planes}")
        numbers: U8 = np.zeros((count, 8), np.uint8)
        numbers[:, :planes] = self.bytes(planes * count).reshape(planes, count).T
        return numbers.view("<u8").reshape(count).astype(np.uint64, copy=False)
