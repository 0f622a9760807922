"""Block snappy against a library that reads it too."""

import cramjam
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from aiops.errors import InputError
from aiops.sources._fingerprint import SLACK_BYTES
from aiops.sources._pushed_samples import WriteLimits, varint
from aiops.sources._snappy import Unpacker, unpack_block
from tests.sources._write_strategies import edits, mutated

LIMITS = WriteLimits(decompressed_bytes=1 << 20)

elements = st.one_of(
    st.tuples(st.just("literal"), st.integers(1, 70)),
    st.tuples(st.just("near"), st.integers(4, 11), st.integers(0, 300)),
    st.tuples(st.just("far"), st.integers(1, 64), st.integers(0, 300)),
    st.tuples(st.just("farthest"), st.integers(1, 64), st.integers(0, 300)),
)


def block(parts) -> bytes:
    """A block of these elements, and a little more than what they say of its size now and then."""
    out, size = b"", 0
    for kind, length, *back in parts:
        if kind == "literal":
            out += bytes([length - 1 << 2]) if length <= 60 else bytes([60 << 2, length - 1])
            out += bytes((size + i) % 251 for i in range(length))
        elif kind == "near":
            out += bytes([back[0] >> 8 << 5 | length - 4 << 2 | 1, back[0] & 255])
        else:
            out += bytes([length - 1 << 2 | (2 if kind == "far" else 3)])
            out += back[0].to_bytes(2 if kind == "far" else 4, "little")
        size += length
    return varint(size) + out


def library(body: bytes) -> bytes | None:
    try:
        return bytes(cramjam.snappy.decompress_raw(body))
    except cramjam.DecompressionError:
        return None


def ours(body: bytes) -> bytes | None:
    try:
        room, size = Unpacker(LIMITS).unpack(body)
    except InputError:
        return None
    return room[:size].tobytes()


@given(st.lists(elements, max_size=30), edits)
@settings(deadline=None, max_examples=400)
def test_a_block_is_unpacked_or_refused_as_by_the_library(parts, edits) -> None:
    body = block([("literal", 40), ("literal", 61), *parts])
    assert ours(body) == library(body)
    changed = mutated(body, edits)
    if ours(changed) is not None or library(changed) is not None:
        assert ours(changed) == library(changed)


@given(st.lists(st.sampled_from([b"a", b"pod-", b"0123456789" * 7, b"\xff" * 300]), max_size=40).map(b"".join))
@settings(deadline=None, max_examples=100)
def test_what_the_library_packs_comes_out_again(message) -> None:
    assert ours(bytes(cramjam.snappy.compress_raw(message))) == message


def test_nothing_is_written_behind_the_slack_whatever_a_block_says() -> None:
    packed = block([("literal", 40), ("far", 64, 40), ("far", 1, 33), ("literal", 5)])[1:]
    for cut in range(len(packed)):
        for size in range(111):
            out = np.full(size + SLACK_BYTES + 8, 7, np.uint8)
            done = unpack_block(np.frombuffer(packed[: cut + 1], np.uint8), 0, out, size)
            assert (out[-8:] == 7).all()
            assert done == (
                (size == 110 and cut == len(packed) - 1) or library(varint(size) + packed[: cut + 1]) is not None
            )
