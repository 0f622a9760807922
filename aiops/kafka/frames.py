"""Messages of the topics `samples`, `anomalies` and `answers` as bytes; `docs/kafka.md` describes them for others.

Every message begins with the byte `VERSION` and a byte that says what it is. A frame holds samples of many series of
one partition. Series are named once per *stream*, a numbering of one gateway: the frame in which a series comes
first brings its label set, later ones only its number. Gateways say all names again every few minutes, so that a
reader without a snapshot need not go back to the beginning.

    head     <QIIIIqII>: stream, number of the first name, names, bytes of the names, samples, first time, bytes of the
             columns, and how many they are before compression
    columns  see `columns.py`
    names    label sets as `Samples` has them, each after its length (u32)

Names and columns are compressed with zstd. The floats that come out are those that went in, bit by bit: a NaN is a NaN
and a stale marker a stale marker.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import cramjam
import numpy as np

from aiops.errors import InputError, StoreError
from aiops.kafka.columns import most_bytes, pack_columns, unpack_columns
from aiops.kafka.status import Status
from aiops.model import F64, I32, I64, Anomaly, Block, Event, SeriesKey, Signal
from aiops.wire import decode, decode_block, encode, encode_block, pack_arrays, unpack_arrays

VERSION = 1
FRAME, ROWS, TICK, CHANGE, QUESTION, UNDO, FOUND, EDGES, ANSWER, STATUS = range(1, 11)
MAX_NAMES = 1_000_000
MAX_SAMPLES = 1_000_000
MAX_NAME_BYTES = 64 << 20
"""A message that asks for more is damaged: chosen, far above what a gateway sends at once."""

_HEAD = struct.Struct("<QIIIIqII")
_LENGTH = struct.Struct("<I")
_ZSTD_LEVEL = 1
_OWN_BLOCK_BYTES = 1_000
"""A part so long has a block of its own: measured; of shorter ones the table of the code takes more than it saves."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Samples of one partition.

    Parameters
    ----------
    stream : in which numbering of which gateway
    first : number of the first of `names`
    names : label sets that are numbered from `first` on, as in `Samples.keys`
    numbers : (k,) which series each sample is of
    times : (k,) unix ms, in any order
    values : (k,) any float, with the stale marker of Prometheus among the NaN
    """

    stream: int
    first: int
    names: tuple[bytes, ...]
    numbers: I32
    times: I64
    values: F64


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of signals that were pulled: blocks whose columns are numbered per stream like the series of a frame.

    Parameters
    ----------
    source : name of the source
    step_s : distance of its rows
    position : unix ms of the last step fully read
    history : these rows teach and raise nothing
    """

    stream: int
    source: str
    step_s: float
    position: int
    history: bool
    first: int
    names: tuple[tuple[SeriesKey, Signal], ...]
    block: bytes


@dataclass(frozen=True, slots=True)
class Question:
    """Triage asks for the recent rows of some services, to rank an incident.

    Parameters
    ----------
    far : services whose rows are of no use
    until_ms : no row after this
    """

    id: str
    far: tuple[str, ...]
    until_ms: int


@dataclass(frozen=True, slots=True)
class Found:
    """What the detectors of a partition have to say.

    Parameters
    ----------
    partition : of the samples
    position : unix ms up to which its rows are scored
    history : the rows only taught
    anomalies : opened, grown or ended since the last word
    """

    partition: int
    position: int
    history: bool
    anomalies: tuple[Anomaly, ...]


@dataclass(frozen=True, slots=True)
class Edges:
    """Calls between services that a partition's series show: caller, callee, last seen (unix ms)."""

    partition: int
    edges: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows of the columns that a question asked for.

    Parameters
    ----------
    question : its id
    times : (t,) unix ms
    values : (t, n)
    number, count : which of the partition's answers to the question, one for each source, and of how many
    """

    question: str
    partition: int
    step_s: float
    columns: tuple[tuple[SeriesKey, Signal], ...]
    times: I64
    values: F64
    number: int = 0
    count: int = 1


Message = Frame | Rows | Question | Found | Edges | Answer | Status | Event | str | None
"""`str` is an undo of the accepted level of that id, None a tick."""

_NOUNS: dict[int, type] = {
    ROWS: Rows,
    CHANGE: Event,
    QUESTION: Question,
    UNDO: str,
    FOUND: Found,
    EDGES: Edges,
    STATUS: Status,
}
_KINDS = {kind: number for number, kind in _NOUNS.items()}


def pack(message: Message) -> bytes:
    """A message as bytes."""
    if message is None:
        return bytes((VERSION, TICK))
    if isinstance(message, Frame):
        return bytes((VERSION, FRAME)) + _pack_frame(message)
    if isinstance(message, Answer):
        return bytes((VERSION, ANSWER)) + _pack_answer(message)
    return bytes((VERSION, _KINDS[type(message)])) + encode(message)


def unpack(data: bytes) -> Message:
    """The message in `data`.

    Raises
    ------
    InputError : another version wrote it, or it is damaged
    """
    if len(data) < 2 or data[0] != VERSION:
        found = f"version {data[0]}" if data else "nothing"
        raise InputError(f"message: must begin with the byte {VERSION} and its kind, got {found}")
    kind, body = data[1], data[2:]
    try:
        if kind == TICK:
            return None
        if kind == FRAME:
            return _unpack_frame(body)
        if kind == ANSWER:
            return _unpack_answer(body)
        if kind in _NOUNS:
            return decode(body, _NOUNS[kind])
    except (StoreError, struct.error, ValueError, cramjam.DecompressionError) as error:
        raise InputError(f"message of kind {kind}: {error}") from error
    raise InputError(f"message: there is no kind {kind}")


def rows_of(block: Block) -> bytes:
    """A block for `Rows`."""
    return encode_block(block)


def block_of(rows: Rows) -> Block:
    """The block of `Rows`. InputError if it is damaged."""
    try:
        return decode_block(rows.block)
    except StoreError as error:
        raise InputError(f"rows of {rows.source}: {error}") from error


def _pack_frame(frame: Frame) -> bytes:
    names = b"".join(_LENGTH.pack(len(name)) + name for name in frame.names)
    columns = pack_columns(frame.numbers, frame.times, frame.values)
    packed = _zipped(columns)
    samples, first_ms = len(frame.numbers), int(frame.times[0]) if len(frame.times) else 0
    sizes = (len(frame.names), len(names), samples, first_ms, len(packed), sum(map(len, columns)))
    head = _HEAD.pack(frame.stream, frame.first, *sizes)
    return head + packed + (bytes(cramjam.zstd.compress(names, level=_ZSTD_LEVEL)) if names else b"")


def _zipped(parts: Sequence[bytes]) -> bytes:
    """The parts one after the other, as one frame of zstd: a block is what it has one code for."""
    zipper, packed = cramjam.zstd.Compressor(level=_ZSTD_LEVEL), bytearray()
    for part in parts:
        is_long = len(part) >= _OWN_BLOCK_BYTES
        if is_long:
            packed += bytes(zipper.flush())
        zipper.compress(part)
        if is_long:
            packed += bytes(zipper.flush())
    return bytes(packed + bytes(zipper.finish()))


def _unpack_frame(body: bytes) -> Frame:
    stream, first, n_names, name_bytes, samples, first_ms, packed_bytes, column_bytes = _HEAD.unpack_from(body)
    if n_names > MAX_NAMES or samples > MAX_SAMPLES or name_bytes > MAX_NAME_BYTES:
        raise ValueError(f"{n_names} names of {name_bytes} bytes and {samples} samples are over the limits")
    if column_bytes > most_bytes(samples):
        raise ValueError(f"{samples} samples cannot take {column_bytes} bytes")
    end = _HEAD.size + packed_bytes
    columns = unpack_columns(_unzipped(body[_HEAD.size : end], column_bytes), samples, first_ms)
    names = _unpack_names(_unzipped(body[end:], name_bytes), n_names) if n_names else ()
    return Frame(stream, first, names, *columns)


def _unpack_names(data: bytes, count: int) -> tuple[bytes, ...]:
    names, at = [], 0
    for _ in range(count):
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        names.append(data[at : at + length])
        at += length
    if at != len(data):
        raise ValueError(f"{count} names end at byte {at} of {len(data)}")
    return tuple(names)


def _unzipped(packed: bytes, size: int) -> bytes:
    room = bytearray(size)
    got = cramjam.zstd.decompress_into(packed, room) if packed else 0
    if got != size:
        raise ValueError(f"{got} bytes came out, {size} were promised")
    return bytes(room)


@dataclass(frozen=True, slots=True)
class _AnswerHead:
    question: str
    partition: int
    step_s: float
    columns: tuple[tuple[SeriesKey, Signal], ...]
    number: int
    count: int


def _pack_answer(answer: Answer) -> bytes:
    head = _AnswerHead(answer.question, answer.partition, answer.step_s, answer.columns, answer.number, answer.count)
    text = np.frombuffer(encode(head), np.uint8)
    return pack_arrays({"head": text, "times": answer.times, "values": answer.values.astype(np.float32)})


def _unpack_answer(body: bytes) -> Answer:
    arrays = unpack_arrays(body)
    if set(arrays) != {"head", "times", "values"}:
        raise ValueError(f"these arrays are no answer: {sorted(arrays)}")
    head = decode(arrays["head"].tobytes(), _AnswerHead)
    times, values = arrays["times"].astype(np.int64), arrays["values"].astype(np.float64)
    return Answer(head.question, head.partition, head.step_s, head.columns, times, values, head.number, head.count)
