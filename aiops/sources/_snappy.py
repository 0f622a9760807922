"""Block snappy into one buffer that is used again for each body."""

from __future__ import annotations

import cramjam
import numpy as np

from aiops.errors import InputError, TooLarge
from aiops.sources._fingerprint import SLACK_BYTES, U8
from aiops.sources._pushed_samples import WriteLimits

_FRAMED_MAGIC = b"\xff\x06\x00\x00sNaPpY"
_FIRST_BYTES = 1 << 20  # chosen: more than a usual body of 2,000 samples
_KEPT_BYTES = 8 << 20  # chosen: what a rare larger body needs is given back


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
        size = _preamble(body)
        if size > self._limits.decompressed_bytes:
            raise TooLarge(f"the body decompresses to {size} bytes, the limit is {self._limits.decompressed_bytes}")
        room = self._room_of(size + SLACK_BYTES)
        try:
            cramjam.snappy.decompress_raw_into(body, room[:size].data)
        except cramjam.DecompressionError:
            raise InputError("the body is not snappy (block format)") from None
        return room, size

    def _room_of(self, size: int) -> U8:
        if size > len(self._room) or len(self._room) > _KEPT_BYTES >= size:
            self._room = np.zeros(max(size, _FIRST_BYTES), np.uint8)
        return self._room


def _preamble(body: bytes | memoryview) -> int:
    """The decompressed size that a snappy block states, at most 2^32 - 1."""
    value = 0
    for i, byte in enumerate(body[:5]):
        value |= (byte & 127) << (7 * i)
        if byte < 128:
            if value > 0xFFFFFFFF:
                break
            return value
    raise InputError("the body is not snappy (block format): it states no size")
