"""Block snappy into one buffer that is used again for each body.

The format is a list of elements: bytes as they are, or how many bytes to repeat and how far back they lie
(https://github.com/google/snappy/blob/main/format_description.txt). Bodies of remote_write are short repetitions, 15
for a series of 12 labels. So whole vectors are moved, and what one wrote too much the next element writes over: 59 ns a
series where cramjam took 78.

The sender is not trusted. Rule 1: no byte is read at or after the end of the body, none before the beginning of the
message, and none is written at or after its end but the slack. Rule 2: lengths are compared with what is left, never
added first. Rule 3: a fault stops it, and nothing of the message is used.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import config, njit, types
from numba.extending import intrinsic

from aiops.errors import InputError, TooLarge
from aiops.sources._fingerprint import SLACK_BYTES, U8
from aiops.sources._pushed_samples import WriteLimits

_MOVED = 32
"""Bytes of a vector; at most SLACK_BYTES."""

_LITERAL, _NEAR, _FAR, _FARTHEST = range(4)
"""Kinds of an element: bytes as they are; repetitions with a distance of 11, 16 or 32 bits."""

_LONGEST_SHORT = 60  # longer literals have their length in 1 to 4 bytes of their own

_FRAMED_MAGIC = b"\xff\x06\x00\x00sNaPpY"
_FIRST_BYTES = 1 << 20  # chosen: more than a usual body of 2,000 samples
_KEPT_BYTES = 8 << 20  # chosen: what a rare larger body needs is given back


@intrinsic
def _move(_typing: Any, to: Any, _at: Any, source: Any, _pos: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = ir.VectorType(ir.IntType(8), _MOVED).as_pointer()
        places = [
            builder.bitcast(
                builder.gep(context.make_array(signature.args[i])(context, builder, args[i]).data, [at]), vector
            )
            for i, at in ((0, args[1]), (2, args[3]))
        ]
        builder.store(builder.load(places[1], align=1), places[0], align=1)
        return context.get_dummy_value()

    return types.void(to, types.int64, source, types.int64), codegen


def _move_slowly(to: U8, at: int, source: U8, pos: int) -> None:
    if not (0 <= at <= len(to) - _MOVED and 0 <= pos <= len(source) - _MOVED):
        raise IndexError(at, pos)
    to[at : at + _MOVED] = source[pos : pos + _MOVED].copy()


# Uncompiled, as fuzzers run kernels, a place outside an array is an error.
move: Any = _move_slowly if config.DISABLE_JIT else _move  # type: ignore[attr-defined]
"""_MOVED bytes from a place of one array to a place of another; compiled, bounds are not looked at."""


@njit(cache=True)
def _number(packed: U8, pos: int, size: int) -> Any:
    """The number in these bytes, little end first."""
    value = np.int64(0)
    for i in range(size):
        value |= np.int64(packed[np.uint64(pos + i)]) << np.int64(8 * i)
    return value


@njit(cache=True)
def unpack_block(packed: U8, pos: int, out: U8, size: int) -> Any:
    """Unpack a block whose elements begin at `pos`; whether it is one and has this size.

    Parameters
    ----------
    out : (b,) uint8, `size` and at least SLACK_BYTES more, which are overwritten with anything
    """
    end, done = len(packed), 0
    while pos < end:
        tag: Any = np.int64(packed[np.uint64(pos)])
        kind, length = tag & 3, (tag >> 2) + 1
        pos += 1
        if kind == _LITERAL:
            if length <= _MOVED and end - pos >= _MOVED and size - done >= length:
                move(out, done, packed, pos)
                pos, done = pos + length, done + length
                continue
            if length > _LONGEST_SHORT:
                more = length - _LONGEST_SHORT
                if end - pos < more:
                    return False
                length, pos = _number(packed, pos, more) + 1, pos + more
            if end - pos < length or size - done < length:
                return False
            for i in range(length):
                out[np.uint64(done + i)] = packed[np.uint64(pos + i)]
            pos, done = pos + length, done + length
            continue
        wide = kind if kind != _FARTHEST else 4
        if end - pos < wide:
            return False
        if kind == _FAR:
            back = np.int64(packed[np.uint64(pos)]) | (np.int64(packed[np.uint64(pos + 1)]) << 8)
        elif kind == _NEAR:
            length, back = (length - 1 & 7) + 4, ((tag >> 5) << 8) | np.int64(packed[np.uint64(pos)])
        else:
            back = _number(packed, pos, wide)
        pos += wide
        if back == 0 or back > done or size - done < length:
            return False
        if back >= _MOVED:  # at most 64 bytes
            move(out, done, out, done - back)
            if length > _MOVED:
                move(out, done + _MOVED, out, done - back + _MOVED)
        else:
            for i in range(length):
                out[np.uint64(done + i)] = out[np.uint64(done - back + i)]
        done += length
    return done == size


class Unpacker:
    """Unpacks bodies; what it gives is overwritten by the next one."""

    def __init__(self, limits: WriteLimits) -> None:
        self._limits = limits
        self._room: U8 = np.zeros(_FIRST_BYTES, np.uint8)

    def unpack(self, body: bytes | memoryview) -> tuple[U8, int]:
        """The message, followed by SLACK_BYTES of anything, and its length.

        Raises
        ------
        TooLarge : over a limit, seen before anything is decompressed
        InputError : not block snappy
        """
        if len(body) > self._limits.body_bytes:
            raise TooLarge(f"the body has {len(body)} bytes, the limit is {self._limits.body_bytes}")
        if bytes(body[: len(_FRAMED_MAGIC)]) == _FRAMED_MAGIC:
            raise InputError("the body is framed snappy, remote_write wants the snappy block format")
        size, begin = _preamble(body)
        if size > self._limits.decompressed_bytes:
            raise TooLarge(f"the body decompresses to {size} bytes, the limit is {self._limits.decompressed_bytes}")
        room = self._room_of(size + SLACK_BYTES)
        packed = np.frombuffer(body, np.uint8)
        packed.flags.writeable = False  # a kernel is compiled for one or the other
        if not unpack_block(packed, begin, room, size):
            raise InputError("the body is not snappy (block format)")
        return room, size

    def _room_of(self, size: int) -> U8:
        if size > len(self._room) or len(self._room) > _KEPT_BYTES >= size:
            self._room = np.zeros(max(size, _FIRST_BYTES), np.uint8)
        return self._room


def _preamble(body: bytes | memoryview) -> tuple[int, int]:
    """The decompressed size that a snappy block states, at most 2^32 - 1, and the place after it."""
    value = 0
    for i, byte in enumerate(body[:5]):
        value |= (byte & 127) << (7 * i)
        if byte < 128:
            if value > 0xFFFFFFFF:
                break
            return value, i + 1
    raise InputError("the body is not snappy (block format): it states no size")
