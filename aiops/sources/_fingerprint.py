"""Fingerprints of label sets: 128 bits under a key that only this process knows, so that no sender can forge a twin.

Theory. Two passes of NH (Black et al. 1999, UMAC, section 4.2) over pairs of 64-bit words, the second with the key
moved on by one pair (their Toeplitz construction), each pressed to 64 bits, together with the length, by a strongly
universal multilinear hash (Lemire, Kaser 2014, section 3). For any two different blocks, chosen without knowledge of
the key, the chance of equal fingerprints is at most (2 / 2^64)^2 = 2^-126: among 10^7 label sets and 10^12 more that a
hostile sender tries it stays below 10^-18. Nothing that leaves the process tells more about the key than that two sets
differ.

Words are read where they lie, little end first, as every machine that numba supports does it.
"""

from __future__ import annotations

import secrets
from typing import Any

import numpy as np
from llvmlite import ir
from numba import config, njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from aiops.model import I64

U8 = NDArray[np.uint8]
U64 = NDArray[np.uint64]

MOST_BYTES = 4096
"""Longest block that has a fingerprint; chosen: ten times a usual label set, and the key stays in the first cache."""

SLACK_BYTES = 16
"""Bytes behind a block that are loaded with it, and not used: every buffer must have them."""

MOST_LISTED = MOST_BYTES // 16
"""Longest list that has a fingerprint: a fingerprint takes 16 bytes."""

_ONES = np.uint64(0xFFFFFFFFFFFFFFFF)
_KEY_WORDS = MOST_BYTES // 8 + 2
_PRESS_WORDS = 16  # four 128-bit numbers for each pass


def new_key() -> U64:
    """A key from the operating system's random source."""
    return np.frombuffer(secrets.token_bytes(8 * (_KEY_WORDS + _PRESS_WORDS)), np.uint64).copy()


@intrinsic
def _load64(_typing: Any, buf: Any, pos: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, args[0])
        place = builder.bitcast(builder.gep(array.data, [args[1]]), ir.IntType(64).as_pointer())
        return builder.load(place, align=1)

    return types.uint64(buf, pos), codegen


def _load64_slowly(buf: U8, pos: int) -> Any:
    if not 0 <= pos <= len(buf) - 8:
        raise IndexError(pos)
    return np.uint64(int.from_bytes(buf[pos : pos + 8].tobytes(), "little"))


@intrinsic
def _wide_product(_typing: Any, _a: Any, _b: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        full = ir.IntType(128)
        product = builder.mul(builder.zext(args[0], full), builder.zext(args[1], full))
        halves = [
            builder.trunc(product, ir.IntType(64)),
            builder.trunc(builder.lshr(product, full(64)), ir.IntType(64)),
        ]
        return context.make_tuple(builder, signature.return_type, halves)

    return types.UniTuple(types.uint64, 2)(types.uint64, types.uint64), codegen  # type: ignore[no-untyped-call]


def _wide_product_slowly(a: Any, b: Any) -> Any:
    product = int(a) * int(b)
    return np.uint64(product & 0xFFFFFFFFFFFFFFFF), np.uint64(product >> 64)


# Uncompiled, as fuzzers run kernels, these are plain Python and a place outside an array is an error.
_IS_PLAIN = bool(config.DISABLE_JIT)  # type: ignore[attr-defined]

load64: Any = _load64_slowly if _IS_PLAIN else _load64
"""Eight bytes of an array at a place as one number; compiled, neither bounds nor alignment are looked at."""

_wide: Any = _wide_product_slowly if _IS_PLAIN else _wide_product
"""Low and high half of the product of two uint64."""


@njit(cache=True)
def _pressed(low: Any, high: Any, size: int, key: U64, at: int) -> Any:
    """The upper half of k0 + low * k1 + high * k2 + size * k3 in 128 bits, the keys k being 128 bits each."""
    sum_low, sum_high = key[at], key[at + 1]
    part, carry = _wide(low, key[at + 2])
    sum_low += part
    sum_high += carry + low * key[at + 3] + np.uint64(sum_low < part)
    part, carry = _wide(high, key[at + 4])
    sum_low += part
    sum_high += carry + high * key[at + 5] + np.uint64(sum_low < part)
    part, carry = _wide(np.uint64(size), key[at + 6])
    sum_low += part
    return sum_high + carry + np.uint64(size) * key[at + 7] + np.uint64(sum_low < part)


@njit(cache=True)
def _add(low: Any, high: Any, a: Any, b: Any) -> Any:
    """(low, high) + a * b in 128 bits."""
    part, carry = _wide(a, b)
    low += part
    return low, high + carry + np.uint64(low < part)


@njit(cache=True)
def fingerprint(buf: U8, start: int, size: int, key: U64) -> Any:
    """Two uint64: the fingerprint of `buf[start:start + size]`.

    `size` is at most MOST_BYTES and at least SLACK_BYTES follow in `buf`; the caller sees to both.
    """
    low0 = high0 = low1 = high1 = np.uint64(0)
    whole = size & ~15
    word = np.uint64(0)
    for pos in range(start, start + whole, 16):
        a, b = load64(buf, pos), load64(buf, pos + 8)
        low0, high0 = _add(low0, high0, a + key[word], b + key[word + np.uint64(1)])
        low1, high1 = _add(low1, high1, a + key[word + np.uint64(2)], b + key[word + np.uint64(3)])
        word += np.uint64(2)
    rest = size - whole
    if rest:
        a, b = load64(buf, start + whole), load64(buf, start + whole + 8)
        if rest <= 8:
            a, b = a & (_ONES >> np.uint64(64 - 8 * rest)), np.uint64(0)
        else:
            b &= _ONES >> np.uint64(128 - 8 * rest)
        low0, high0 = _add(low0, high0, a + key[word], b + key[word + np.uint64(1)])
        low1, high1 = _add(low1, high1, a + key[word + np.uint64(2)], b + key[word + np.uint64(3)])
    press = len(key) - _PRESS_WORDS
    half = press + _PRESS_WORDS // 2
    return _pressed(low0, high0, size, key, press), _pressed(low1, high1, size, key, half)


@njit(cache=True)
def fingerprint_of_list(prints: U64, chosen: NDArray[np.int64], n: int, key: U64) -> Any:
    """Two uint64: the fingerprint of a list of n fingerprints, `prints[chosen[:n]]`; n is at most MOST_LISTED.

    It stands for the list of what has these fingerprints, with twice the chance of a collision of one.
    """
    low0 = high0 = low1 = high1 = np.uint64(0)
    for i in range(n):
        word = np.uint64(2 * i)
        a, b = prints[np.uint64(chosen[i]), 0], prints[np.uint64(chosen[i]), 1]
        low0, high0 = _add(low0, high0, a + key[word], b + key[word + np.uint64(1)])
        low1, high1 = _add(low1, high1, a + key[word + np.uint64(2)], b + key[word + np.uint64(3)])
    press = len(key) - _PRESS_WORDS
    half = press + _PRESS_WORDS // 2
    return _pressed(low0, high0, n, key, press), _pressed(low1, high1, n, key, half)


def fingerprint_slowly(block: bytes, key: U64) -> tuple[int, int]:
    """The same by the definition, in Python's own numbers.

    >>> key = new_key()
    >>> buf = np.frombuffer(b"some labels" + bytes(SLACK_BYTES), np.uint8)
    >>> tuple(map(int, fingerprint(buf, 0, 11, key))) == fingerprint_slowly(b"some labels", key)
    True
    """
    words: I64 | U64 = np.frombuffer(block + bytes(-len(block) % 16), np.uint64)
    keys, message = [int(k) for k in key], [int(w) for w in words]
    halves = []
    for which in (0, 1):
        shifted = keys[2 * which :]
        total = sum(
            ((message[i] + shifted[i]) % 2**64) * ((message[i + 1] + shifted[i + 1]) % 2**64)
            for i in range(0, len(message), 2)
        )
        low, high = total % 2**64, total // 2**64 % 2**64
        press = keys[len(keys) - _PRESS_WORDS + 8 * which :]
        k0, k1, k2, k3 = (press[2 * i] + (press[2 * i + 1] << 64) for i in range(4))
        halves.append((k0 + low * k1 + high * k2 + len(block) * k3) % 2**128 >> 64)
    return halves[0], halves[1]
