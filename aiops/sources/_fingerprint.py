"""Fingerprints of label sets: 128 bits under a key that only this process knows, so that no sender can forge a twin.

Theory. Four passes of NH (Black et al. 1999, UMAC, section 4.2) over pairs of 32-bit words, each with the key moved on
by one pair (their Toeplitz construction). Two and two of them are pressed to 64 bits, together with the length, by a
strongly universal multilinear hash (Lemire, Kaser 2014, section 3). For any two different blocks, chosen without
knowledge of the key, the chance that all four passes agree is at most 2^-128, that two do and the other half is pressed
together 2^-128 twice, and that both halves are pressed together 2^-128: equal fingerprints have a chance of at most
2^-126. Among 10^7 label sets and 10^12 more that a hostile sender tries it stays below 10^-18. Nothing that leaves the
process tells more about the key than that two sets differ.

A pass is made for vectors: the words of a pair are the halves of 64 bits, so four pairs are one load, one addition, one
shift, one product and one sum. That took 30 ns for 268 bytes where two passes of 64-bit words took 55.

Words are read where they lie, little end first, as every machine that numba supports does it.
"""

from __future__ import annotations

import secrets
from typing import Any

import numpy as np
from llvmlite import ir
from numba import config, njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
U64 = NDArray[np.uint64]

MOST_BYTES = 4096
"""Longest block that has a fingerprint; chosen: ten times a usual label set, and the key stays in the first cache."""

SLACK_BYTES = 32
"""Bytes behind a block that are loaded with it, and not used: every buffer must have them."""

MOST_LISTED = MOST_BYTES // 16
"""Longest list that has a fingerprint: a fingerprint takes 16 bytes."""

_WORD, _I32 = ir.IntType(64), ir.IntType(32)

_PASSES = 4
_LOW = 0xFFFFFFFF  # of 64 bits
_FOUR = types.UniTuple(types.uint64, _PASSES)  # type: ignore[no-untyped-call]

_KEY_WORDS = MOST_BYTES // 8 + _PASSES - 1
_PRESS_WORDS = 16  # four 128-bit numbers for each half


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
def _press(_typing: Any, _a: Any, _b: Any, _size: Any, key: Any, _at: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        full = ir.IntType(128)
        words = context.make_array(signature.args[3])(context, builder, args[3]).data
        keys = builder.bitcast(builder.gep(words, [args[4]]), full.as_pointer())
        total = builder.load(keys, align=1)
        for i, part in enumerate(args[:3]):
            factor = builder.load(builder.gep(keys, [_WORD(i + 1)]), align=1)
            total = builder.add(total, builder.mul(builder.zext(part, full), factor))
        return builder.trunc(builder.lshr(total, full(64)), _WORD)

    word = types.uint64
    return word(word, word, word, key, types.int64), codegen


def _press_slowly(a: Any, b: Any, size: Any, key: U64, at: int) -> Any:
    keys = [int(low) + (int(high) << 64) for low, high in key[at : at + 8].reshape(4, 2)]
    return np.uint64((keys[0] + int(a) * keys[1] + int(b) * keys[2] + int(size) * keys[3]) % 2**128 >> 64)


class _Passes:
    """What passes over vectors of so many pairs compile to."""

    def __init__(self, builder: Any, key: Any, pairs: int) -> None:
        self._builder, self._key = builder, builder.bitcast(key, ir.IntType(8).as_pointer())
        self.pairs, self.size = ir.VectorType(_WORD, pairs), 8 * pairs
        self.bytes = ir.VectorType(ir.IntType(8), 8 * pairs)
        self._words = ir.VectorType(_I32, 2 * pairs)
        zeros = ir.Constant(self.pairs, None)
        self._sums = [cgutils.alloca_once_value(builder, zeros) for _ in range(_PASSES)]  # type: ignore[no-untyped-call]

    def load(self, place: Any, kind: ir.VectorType) -> Any:
        return self._builder.load(self._builder.bitcast(place, kind.as_pointer()), align=1)

    def take(self, message: Any, at: Any) -> None:
        """Take in a vector of the message that lies `at` bytes behind its beginning."""
        builder, lanes = self._builder, self.pairs.count
        for i, total in enumerate(self._sums):
            keys = self.load(builder.gep(self._key, [builder.add(at, _WORD(8 * i))]), self._words)
            words = builder.bitcast(builder.add(builder.bitcast(message, self._words), keys), self.pairs)
            low = builder.and_(words, ir.Constant(self.pairs, [_LOW] * lanes))
            high = builder.lshr(words, ir.Constant(self.pairs, [32] * lanes))
            builder.store(builder.add(builder.load(total), builder.mul(low, high)), total)

    def sums(self) -> list[Any]:
        """One number for each pass."""
        return [self._across(self._builder.load(total)) for total in self._sums]

    def _across(self, vector: Any) -> Any:
        count = vector.type.count
        while count > 1:
            count //= 2
            halves = [
                self._builder.shuffle_vector(vector, vector, ir.Constant(_places(count), list(range(at, at + count))))
                for at in (0, count)
            ]
            vector = self._builder.add(*halves)
        return self._builder.extract_element(vector, _I32(0))


def _places(count: int) -> ir.VectorType:
    return ir.VectorType(_I32, count)


@intrinsic
def _passes(_typing: Any, buf: Any, _start: Any, _size: Any, key: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data, keys = (context.make_array(signature.args[i])(context, builder, args[i]).data for i in (0, 3))
        data, size, passes = builder.gep(data, [args[1]]), args[2], _Passes(builder, keys, pairs=4)
        whole = builder.and_(size, _WORD(-passes.size))
        with cgutils.for_range_slice(builder, _WORD(0), whole, _WORD(passes.size), intp=_WORD, inc=True) as (at, _):
            passes.take(passes.load(builder.gep(data, [at]), passes.pairs), at)
        rest = builder.sub(size, whole)
        with builder.if_then(builder.icmp_signed(">", rest, _WORD(0))):
            some = passes.load(builder.gep(data, [whole]), passes.bytes)
            one = builder.insert_element(ir.Constant(passes.bytes, None), builder.trunc(rest, ir.IntType(8)), _I32(0))
            ends = builder.shuffle_vector(one, one, ir.Constant(_places(passes.size), None))
            is_message = builder.icmp_unsigned("<", ir.Constant(passes.bytes, list(range(passes.size))), ends)
            some = builder.select(is_message, some, ir.Constant(passes.bytes, None))
            passes.take(builder.bitcast(some, passes.pairs), whole)
        return context.make_tuple(builder, signature.return_type, passes.sums())

    return _FOUR(buf, types.int64, types.int64, key), codegen


@intrinsic
def _passes_of_list(_typing: Any, prints: Any, chosen: Any, _n: Any, key: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        arrays = [context.make_array(signature.args[i])(context, builder, args[i]).data for i in (0, 1, 3)]
        passes = _Passes(builder, arrays[2], pairs=2)
        with cgutils.for_range(builder, args[2], intp=_WORD) as loop:
            at = builder.shl(builder.load(builder.gep(arrays[1], [loop.index])), _WORD(1))
            one = passes.load(builder.gep(arrays[0], [at]), passes.pairs)
            passes.take(one, builder.shl(loop.index, _WORD(4)))
        return context.make_tuple(builder, signature.return_type, passes.sums())

    return _FOUR(prints, chosen, types.int64, key), codegen


def _words_passed(words: U64, key: U64) -> Any:
    totals = []
    for i in range(_PASSES):
        keys = key[i : i + len(words)]
        low = ((words & np.uint64(_LOW)) + (keys & np.uint64(_LOW))) & np.uint64(_LOW)
        high = ((words >> np.uint64(32)) + (keys >> np.uint64(32))) & np.uint64(_LOW)
        totals.append(np.sum(low * high, dtype=np.uint64))
    return tuple(totals)


def _passes_slowly(buf: U8, start: int, size: int, key: U64) -> Any:
    if not 0 <= start <= len(buf) - size - SLACK_BYTES:
        raise IndexError(start)
    return _words_passed(np.frombuffer(buf[start : start + size].tobytes() + bytes(-size % 32), np.uint64), key)


def _passes_of_list_slowly(prints: U64, chosen: NDArray[np.int64], n: int, key: U64) -> Any:
    return _words_passed(prints[chosen[:n]].ravel(), key)


# Uncompiled, as fuzzers run kernels, these are plain Python and a place outside an array is an error.
_IS_PLAIN = bool(config.DISABLE_JIT)  # type: ignore[attr-defined]

load64: Any = _load64_slowly if _IS_PLAIN else _load64
"""Eight bytes of an array at a place as one number; compiled, neither bounds nor alignment are looked at."""

_pressed: Any = _press_slowly if _IS_PLAIN else _press
"""The upper half of k0 + a * k1 + b * k2 + size * k3 in 128 bits, the keys k being 128 bits each."""

_of_bytes: Any = _passes_slowly if _IS_PLAIN else _passes
_of_list: Any = _passes_of_list_slowly if _IS_PLAIN else _passes_of_list
"""Four uint64: the sums of the passes."""


# Inlined, because arrays that are handed to a function cost two reference counts each.
@njit(cache=True, inline="always")
def fingerprint(buf: U8, start: int, size: int, key: U64) -> Any:
    """Two uint64: the fingerprint of `buf[start:start + size]`.

    `size` is at most MOST_BYTES and at least SLACK_BYTES follow in `buf`; the caller sees to both.
    """
    a, b, c, d = _of_bytes(buf, start, size, key)
    press = len(key) - _PRESS_WORDS
    length = np.uint64(size)
    return _pressed(a, b, length, key, press), _pressed(c, d, length, key, press + _PRESS_WORDS // 2)


@njit(cache=True, inline="always")
def fingerprint_of_list(prints: U64, chosen: NDArray[np.int64], n: int, key: U64) -> Any:
    """Two uint64: the fingerprint of a list of n fingerprints, `prints[chosen[:n]]`; n is at most MOST_LISTED.

    It stands for the list of what has these fingerprints, with twice the chance of a collision of one.
    """
    a, b, c, d = _of_list(prints, chosen, n, key)
    press = len(key) - _PRESS_WORDS
    length = np.uint64(n)
    return _pressed(a, b, length, key, press), _pressed(c, d, length, key, press + _PRESS_WORDS // 2)


def fingerprint_slowly(block: bytes, key: U64) -> tuple[int, int]:
    """The same by the definition, in Python's own numbers.

    >>> key = new_key()
    >>> buf = np.frombuffer(b"some labels" + bytes(SLACK_BYTES), np.uint8)
    >>> tuple(map(int, fingerprint(buf, 0, 11, key))) == fingerprint_slowly(b"some labels", key)
    True
    """
    words = np.frombuffer(block + bytes(-len(block) % 32), np.uint32).tolist()
    keys, press = key[:-_PRESS_WORDS].view(np.uint32).tolist(), [int(k) for k in key[-_PRESS_WORDS:]]
    passes = [
        sum(
            (words[i] + keys[i + 2 * shift]) % 2**32 * ((words[i + 1] + keys[i + 1 + 2 * shift]) % 2**32)
            for i in range(0, len(words), 2)
        )
        % 2**64
        for shift in range(_PASSES)
    ]
    halves = []
    for which in (0, 1):
        k0, k1, k2, k3 = (press[8 * which + 2 * i] + (press[8 * which + 2 * i + 1] << 64) for i in range(4))
        total = k0 + passes[2 * which] * k1 + passes[2 * which + 1] * k2 + len(block) * k3
        halves.append(total % 2**128 >> 64)
    return halves[0], halves[1]
