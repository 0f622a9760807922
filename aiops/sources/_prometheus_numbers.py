"""Numbers of a Prometheus matrix, straight from the bytes of its JSON.

A month of history is tens of millions of `[1700000000,"0.123"]`; making Python objects of them costs ten times what
this does. The decimal conversion is exact (the same bits as `float`): Clinger's fast path, then the algorithm of [1];
what neither decides is left to Python by returning `UNDECIDED`.

References
----------
[1] Lemire (2021), Number Parsing at a Gigabyte per Second, algorithm 1, with the 128-bit table of its section 5.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from aiops.model import F64, I64

U64 = NDArray[np.uint64]
Bytes = NDArray[np.uint8]

LOW, HIGH = -60, 60
"""Powers of ten in the table. Wider ones are no metric; Python converts them."""

UNDECIDED = 1
SAMPLES, NAN, INFINITE, DUPLICATE, OFF_GRID = range(5)
"""Places in the array of counts."""

REASONS = ("samples", "nan", "infinite", "duplicate_sample", "off_grid")
"""Names of the counts."""


@lru_cache(maxsize=1)
def powers() -> tuple[U64, U64, F64]:
    """High and low words of 5^LOW..5^HIGH with 128 significant bits, and exact doubles 10^0..10^22."""
    both = [_power(q) for q in range(LOW, HIGH + 1)]
    high = np.array([p >> 64 for p in both], np.uint64)
    low = np.array([p & (2**64 - 1) for p in both], np.uint64)
    return high, low, np.array([float(10**k) for k in range(23)], np.float64)


def _power(q: int) -> int:
    five: int = 5 ** abs(q)
    if q >= 0:
        return five << (128 - five.bit_length()) if five.bit_length() <= 128 else five >> (five.bit_length() - 128)
    bits = (five - 1).bit_length()
    quotient: int = 2 ** (2 * bits + 128) // five + 1 if q < -27 else 2 ** (bits + 127) // five + 1
    return quotient >> max(0, quotient.bit_length() - 128)


@njit(cache=True, nogil=True)
def _high_word(a: np.uint64, b: np.uint64) -> np.uint64:
    mask, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    a0, a1, b0, b1 = a & mask, a >> half, b & mask, b >> half
    middle = a1 * b0 + ((a0 * b0) >> half)
    other = a0 * b1 + (middle & mask)
    return a1 * b1 + (middle >> half) + (other >> half)


@njit(cache=True, nogil=True)
def _to_bits(w: np.uint64, q: int, high: np.uint64, low: np.uint64) -> np.uint64:
    """Bits of the double nearest to w * 10^q for w > 0, given 5^q; 0 = undecided (0 itself never comes here)."""
    zeros = 0
    for step in (32, 16, 8, 4, 2, 1):
        if w >> np.uint64(64 - step) == np.uint64(0):
            w <<= np.uint64(step)
            zeros += step
    upper, lower = _high_word(w, high), w * high
    if upper & np.uint64(0x1FF) == np.uint64(0x1FF):
        more = _high_word(w, low)
        lower += more
        if lower < more:
            upper += np.uint64(1)
    if lower == np.uint64(0xFFFFFFFFFFFFFFFF) and (q < -27 or q > 55):
        return np.uint64(0)
    top = upper >> np.uint64(63)
    shift = top + np.uint64(9)
    mantissa = upper >> shift
    power2 = ((217706 * q) >> 16) + 63 + np.int64(top) - zeros + 1023
    exact_tie = lower <= np.uint64(1) and -4 <= q <= 23 and mantissa & np.uint64(3) == np.uint64(1)
    if exact_tie and mantissa << shift == upper:
        mantissa -= np.uint64(1)
    mantissa = (mantissa + (mantissa & np.uint64(1))) >> np.uint64(1)
    if mantissa >= np.uint64(1) << np.uint64(53):
        mantissa = np.uint64(1) << np.uint64(52)
        power2 += 1
    return (mantissa & ~(np.uint64(1) << np.uint64(52))) | (np.uint64(power2) << np.uint64(52))


@njit(cache=True, nogil=True, error_model="numpy")
def scan(  # noqa: PLR0915, PLR0917 - see below
    text: Bytes, start_ms: int, step_ms: int, powers: tuple[U64, U64, F64], out: F64, counts: I64
) -> int:
    """Put the samples of one series, `[[seconds,"value"],...]`, on the grid.

    Parameters
    ----------
    text : (b,) uint8, the JSON list, without blanks
    powers : what `powers()` gives
    out : (t,) filled with NaN by the caller; a later sample of the same step replaces an earlier one
    counts : (5,) added to: samples, NaN, infinite (kept as NaN), duplicate steps, off the grid

    Returns
    -------
    0, or UNDECIDED when something is not plain; `out` and `counts` are then worthless
    """
    # One long function on purpose: each array handed to another one costs two atomic operations, which together took
    # three quarters of the time. No digit loop leaves the text, because its last byte is no digit.
    high, low, tens = powers
    bits, one, ten = out.view(np.uint64), np.uint64(1), np.uint64(10)
    seen = np.zeros(len(out), np.bool_)
    end, at = len(text), 1
    if end < 2 or text[0] != 91 or text[end - 1] != 93:
        return UNDECIDED
    if end == 2:
        return 0
    while at + 7 < end:  # [0,"1"] is the shortest sample, and something follows it
        if text[at] != 91:
            return UNDECIDED
        at += 1
        first, time_ms = at, 0
        while 48 <= text[at] <= 57:
            time_ms = time_ms * 10 + int(text[at]) - 48
            at += 1
        if at == first or at - first > 12:
            return UNDECIDED
        time_ms *= 1000
        if text[at] == 46:
            at += 1
            first, unit = at, 100
            while 48 <= text[at] <= 57 and unit > 0:
                time_ms += (int(text[at]) - 48) * unit
                unit //= 10
                at += 1
        if at + 3 >= end or text[at] != 44 or text[at + 1] != 34:
            return UNDECIDED
        at += 2
        kind, negative, w, q, bad = 0, text[at] == 45, np.uint64(0), 0, False
        at += 1 if negative or text[at] == 43 else 0
        first = at
        while 48 <= text[at] <= 57:
            w = w * ten + np.uint64(text[at] - 48)
            at += 1
        digits, is_number = at - first if w > 0 else 0, at > first
        if text[at] == 46:
            at += 1
            point = at
            while w == 0 and text[at] == 48:
                at += 1
            first = at
            while 48 <= text[at] <= 57:
                w = w * ten + np.uint64(text[at] - 48)
                at += 1
            digits += at - first
            q = point - at
        if text[at] == 101 or text[at] == 69:
            sign = -1 if text[at + 1] == 45 else 1
            at += 2 if text[at + 1] == 45 or text[at + 1] == 43 else 1
            first, power = min(at, end - 1), 0
            at = first
            while 48 <= text[at] <= 57 and at - first < 4:
                power = power * 10 + int(text[at]) - 48
                at += 1
            bad = at == first
            q += sign * power
        elif not is_number and at + 3 < end:
            if text[at] == 78 and text[at + 1] == 97 and text[at + 2] == 78:
                kind = NAN
            if text[at] == 73 and text[at + 1] == 110 and text[at + 2] == 102:
                kind = INFINITE
            at += 3
        if bad or is_number == (kind > 0) or digits > 19 or at + 2 >= end or text[at] != 34 or text[at + 1] != 93:
            return UNDECIDED
        at += 2
        counts[SAMPLES] += 1
        counts[kind] += 1 if kind else 0
        offset = time_ms - start_ms
        row = offset // step_ms
        if offset < 0 or row >= len(out) or row * step_ms != offset:
            counts[OFF_GRID] += 1
        else:
            counts[DUPLICATE] += 1 if seen[row] else 0
            seen[row] = True
            if kind:
                out[row], negative = np.nan, False
            elif w < one << np.uint64(53) and -22 <= q <= 22:
                out[row] = np.float64(w) * tens[q] if q >= 0 else np.float64(w) / tens[-q]
            elif w == 0:
                out[row] = 0.0
            elif LOW <= q <= HIGH:
                bits[row] = _to_bits(w, q, high[q - LOW], low[q - LOW])
                if bits[row] == 0:
                    return UNDECIDED
            else:
                return UNDECIDED
            if negative:
                bits[row] |= one << np.uint64(63)
        if text[at] == 93 and at + 1 == end:
            return 0
        if text[at] != 44:
            return UNDECIDED
        at += 1
    return UNDECIDED
