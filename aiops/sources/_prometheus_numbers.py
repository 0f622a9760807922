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


@njit(cache=True, nogil=True, inline="always")
def _high_word(a: np.uint64, b: np.uint64) -> np.uint64:
    mask, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    a0, a1, b0, b1 = a & mask, a >> half, b & mask, b >> half
    middle = a1 * b0 + ((a0 * b0) >> half)
    other = a0 * b1 + (middle & mask)
    return a1 * b1 + (middle >> half) + (other >> half)


@njit(cache=True, nogil=True, inline="always")
def _to_bits(w: np.uint64, q: int, high: U64, low: U64) -> np.uint64:
    """Bits of the double nearest to w * 10^q for w > 0; 0 = undecided (0 itself never comes here)."""
    if q < -60 or q > 60:
        return np.uint64(0)
    zeros = 0
    for step in (32, 16, 8, 4, 2, 1):
        if w >> np.uint64(64 - step) == np.uint64(0):
            w <<= np.uint64(step)
            zeros += step
    upper, lower = _high_word(w, high[q + 60]), w * high[q + 60]
    if upper & np.uint64(0x1FF) == np.uint64(0x1FF):
        more = _high_word(w, low[q + 60])
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


@njit(cache=True, nogil=True, inline="always")
def _digits(text: Bytes, at: int, w: np.uint64) -> tuple[int, np.uint64]:
    """Append decimal digits to w, modulo 2^64: (place after them, w)."""
    while at < len(text):
        digit = np.int64(text[at]) - 48
        if digit < 0 or digit > 9:
            break
        w = w * np.uint64(10) + np.uint64(digit)
        at += 1
    return at, w


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _decimal(  # noqa: PLR0917 - compiled functions take no keywords cheaply
    text: Bytes, at: int, high: U64, low: U64, tens: F64, word: U64, real: F64
) -> tuple[int, float, bool]:
    """Read a decimal number: (place after it, value, whether it was decided)."""
    size = len(text)
    negative = at < size and text[at] == 45
    at += 1 if at < size and (text[at] == 45 or text[at] == 43) else 0
    start = at
    at, w = _digits(text, at, np.uint64(0))
    seen = at > start
    digits, q = at - start if w > 0 else 0, 0
    if at + 1 < size and text[at] == 46:
        at += 1
        point = at
        while w == 0 and at < size and text[at] == 48:
            at += 1
        start = at
        at, w = _digits(text, at, w)
        q = point - at
        seen = seen or at > point
        digits += at - start
    if at + 1 < size and (text[at] == 101 or text[at] == 69):
        at += 1
        sign = -1 if text[at] == 45 else 1
        at += 1 if text[at] == 45 or text[at] == 43 else 0
        start = at
        at, power = _digits(text, at, np.uint64(0))
        seen = seen and 0 < at - start < 4
        q += sign * int(power)
    if not seen or digits > 19:
        return at, np.nan, False
    if w == 0:
        q = 0
    value = np.float64(w)
    if w < np.uint64(1) << np.uint64(53) and -22 <= q <= 22:
        value = value * tens[q] if q >= 0 else value / tens[-q]
    else:
        word[0] = _to_bits(w, q, high, low)
        value = real[0]
        if word[0] == 0:
            return at, np.nan, False
    return at, -value if negative else value, True


@njit(cache=True, nogil=True, inline="always")
def _after(text: Bytes, at: int, wanted: int) -> int:
    """The place after blanks and one wanted byte; past the end when something else is there."""
    while at < len(text) and (text[at] == 32 or text[at] == 10 or text[at] == 13 or text[at] == 9):
        at += 1
    return at + 1 if at < len(text) and text[at] == wanted else len(text) + 1


@njit(cache=True, nogil=True, inline="always")
def _word(text: Bytes, at: int) -> tuple[int, int]:
    """Read NaN, Inf, +Inf or -Inf: (place after it, kind) with kind 1 = NaN, 2 = infinite, 0 = neither."""
    if at + 3 <= len(text) and text[at] == 78 and text[at + 1] == 97 and text[at + 2] == 78:
        return at + 3, NAN
    sign = 1 if at < len(text) and (text[at] == 43 or text[at] == 45) else 0
    i = at + sign
    if i + 3 <= len(text) and text[i] == 73 and text[i + 1] == 110 and text[i + 2] == 102:
        return i + 3, INFINITE
    return at, 0


@njit(cache=True, nogil=True)
def scan(text: Bytes, grid: I64, powers: tuple[U64, U64, F64], out: F64, counts: I64) -> int:
    """Put the samples of one series, `[[seconds,"value"],...]`, on the grid.

    Parameters
    ----------
    text : (b,) uint8, the JSON list
    grid : start_ms, step_ms
    powers : what `powers()` gives
    out : (t,) filled with NaN by the caller; a later sample of the same step replaces an earlier one
    counts : (5,) added to: samples, NaN, infinite (kept as NaN), duplicate steps, off the grid

    Returns
    -------
    0, or UNDECIDED when something is not plain; `out` and `counts` are then worthless
    """
    high, low, tens = powers
    word = np.zeros(1, np.uint64)
    real = word.view(np.float64)
    seen = np.zeros(len(out), np.bool_)
    at = _after(text, 0, 91)
    if _after(text, at, 93) <= len(text):
        return 0
    while at <= len(text):
        at = _after(text, at, 91)
        at, seconds, decided = _decimal(text, at, high, low, tens, word, real)
        at = _after(text, at, 44)
        at = _after(text, at, 34)
        if not decided or at > len(text):
            return UNDECIDED
        at, kind = _word(text, at)
        value = np.nan
        if kind == 0:
            at, value, decided = _decimal(text, at, high, low, tens, word, real)
        at = _after(text, at, 34)
        at = _after(text, at, 93)
        if not decided or at > len(text):
            return UNDECIDED
        counts[SAMPLES] += 1
        counts[kind] += 1 if kind else 0
        offset = np.int64(np.rint(seconds * 1000.0)) - grid[0]
        row = offset // grid[1]
        if offset % grid[1] != 0 or row < 0 or row >= len(out):
            counts[OFF_GRID] += 1
        else:
            counts[DUPLICATE] += 1 if seen[row] else 0
            seen[row] = True
            out[row] = value
        if _after(text, at, 93) <= len(text):
            return 0
        at = _after(text, at, 44)
    return UNDECIDED
