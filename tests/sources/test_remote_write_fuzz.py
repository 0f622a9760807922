"""The scanner against the protobuf library, and against bodies that nobody would send."""

import cramjam
from google.protobuf.message import DecodeError
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aiops.demo.encode import compress
from aiops.errors import InputError
from aiops.sources._pushed_samples import WriteLimits
from aiops.sources.remote_write import STALE_BITS
from tests.sources._ledger import Read, Reader, read
from tests.sources._write_messages import WriteRequest, message_v1, read_v1
from tests.sources._write_strategies import bodies, edits, mutated


def serialize(body) -> bytes:
    return message_v1(body).SerializeToString()


@given(st.lists(bodies, min_size=1, max_size=4))
@settings(deadline=None, max_examples=200)
def test_any_valid_body_reads_as_the_protobuf_library_reads_it(several) -> None:
    """Whatever was read before: each body comes three times, among others, to one reader."""
    reader = Reader()
    for body in [*several, *several, several[-1]]:
        message = serialize(body)
        assert reader(compress(message)) == read_v1(WriteRequest.FromString(message))


@given(bodies, edits)
@settings(deadline=None, max_examples=400)
def test_a_mutated_message_is_refused_or_read_as_the_library_reads_it(body, edits) -> None:
    reader = Reader()
    for _ in range(2):
        reader(compress(serialize(body)))  # known the second time, so expected from then on
    message = mutated(serialize(body), edits)
    try:
        got = reader(compress(message))
    except InputError:
        return
    as_the_library(got, message)


def as_the_library(got: Read, message: bytes) -> None:
    """What was read is what the library reads, if it reads the message."""
    try:
        request = WriteRequest.FromString(message)
    except DecodeError:
        # The library looks into exemplars, histograms and metadata too, which we only count.
        return
    assert got == read_v1(request)


@given(bodies, edits)
@settings(deadline=None, max_examples=200)
def test_a_mutated_body_is_refused_or_read(body, edits) -> None:
    changed = mutated(compress(serialize(body)), edits)
    try:
        got = read(changed, WriteLimits(decompressed_bytes=1 << 20))
    except InputError:
        return
    assert got.rows == read(changed).rows


@given(st.binary(max_size=300))
@example(b"\x00\x00")  # states that nothing follows, and something does
@settings(deadline=None, max_examples=200)
def test_any_bytes_at_all_are_refused_or_read_as_the_library_reads_them(content) -> None:
    for body in (content, compress(content)):
        try:
            got = read(body, WriteLimits(decompressed_bytes=1 << 20))
        except InputError:
            continue
        as_the_library(got, bytes(cramjam.snappy.decompress_raw(body)))


def test_the_scanner_reads_nothing_beyond_its_buffer() -> None:
    """Every prefix of a body, in a buffer whose next bytes would be a tempting continuation."""
    message = serialize([((("__name__", "m"),), [(1_700_000_000_000, 1.5), (5, 2.0)], 1, 1)] * 2)
    for end in range(len(message)):
        prefix = compress(message[:end])
        whole = [i for i in _series_ends(message) if i == end]
        if end == 0 or whole:
            read(prefix)
        else:
            try:
                read(prefix)
            except InputError:
                continue
            raise AssertionError(f"a body cut at byte {end} was read")


def _series_ends(message: bytes) -> list[int]:
    ends, pos = [], 0
    while pos < len(message):
        pos += 2 + message[pos + 1]  # every field here is shorter than 128 bytes
        ends.append(pos)
    return ends


def test_the_stale_marker_is_the_one_prometheus_uses() -> None:
    assert int(STALE_BITS) == 0x7FF0000000000002
