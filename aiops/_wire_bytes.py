"""Nouns as bytes: the message formats behind `aiops.wire`.

Every message begins with the byte `VERSION` and a byte that says what it is; the rest belongs to that kind:

noun    msgpack of the dataclass (NaN and infinity keep their value, which JSON cannot do)
block   head (rows, columns, lengths), then times, ids and values; values are XORed with the row before and stored byte
        plane by byte plane, so that series that change little cost little; zstd over all of it
arrays  msgpack head of names, types and shapes, then the raw arrays, zstd

The floats that come out are the floats that went in, bit by bit. Nothing here can run code: no pickle, no object
arrays.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import cramjam
import msgspec
import numpy as np
from numpy.typing import NDArray

from aiops.errors import StoreError
from aiops.model import I32, Block
from rca import Case, Change, Column, ServiceGraph, Symptom

T = TypeVar("T")

VERSION = 1
NOUN, BLOCK, ARRAYS = 1, 2, 3
_KINDS = {NOUN: "noun", BLOCK: "block", ARRAYS: "arrays"}

MAX_PLAIN_BYTES = 1 << 30
"""No message unpacks to more: a small file must not fill the memory. Chosen, ten times the largest snapshot seen."""

MAX_PACKED_BYTES = 500_000_000
"""Arrays are not packed to more: PostgreSQL gives bytes back as text of twice their size, and none of over 1 GiB."""

_BLOCK_HEAD = struct.Struct("<II")
_SIZE = struct.Struct("<Q")
_ZSTD_LEVEL = 1
_encoder = msgspec.msgpack.Encoder()
_decoders: dict[type, msgspec.msgpack.Decoder[Any]] = {}
_making = threading.Lock()


def encode(noun: object) -> bytes:
    """Any dataclass of plain fields as bytes: an Event, Anomaly, Incident, Notification, Ranking ...

    >>> from aiops.model import Event
    >>> event = Event("e1", 5, "cart", "deploy")
    >>> decode(encode(event), Event) == event
    True
    """
    return bytes((VERSION, NOUN)) + _encoder.encode(noun)


def decode(data: bytes, kind: type[T]) -> T:
    """The noun of type `kind` in `data`.

    Raises
    ------
    StoreError : another version wrote it, it is something else, or it is damaged
    """
    body = _body(data, NOUN)
    try:
        noun: T = _decoder(kind).decode(body)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise StoreError(f"these bytes are no {kind.__name__}: {error}") from error
    return noun


def _decoder(kind: type) -> msgspec.msgpack.Decoder[Any]:
    """The decoder of a type. Made by one thread: msgspec crashes where two look at the same dataclass first."""
    if kind not in _decoders:
        with _making:
            if kind not in _decoders:
                _decoders[kind] = msgspec.msgpack.Decoder(kind)
    return _decoders[kind]


def encode_block(block: Block) -> bytes:
    """A block as bytes."""
    rows, columns = block.values.shape
    values = np.ascontiguousarray(block.values, dtype="<f8").view("<u8").copy()
    values[1:] ^= values[:-1].copy()
    planes = values.T.reshape(-1, 1).view(np.uint8).T if values.size else np.empty(0, np.uint8)
    steps = np.diff(block.times, prepend=np.int64(0)).astype("<i8")
    plain = steps.tobytes() + block.ids.astype("<i4").tobytes() + np.ascontiguousarray(planes).tobytes()
    return bytes((VERSION, BLOCK)) + _BLOCK_HEAD.pack(rows, columns) + _compress(plain)


def decode_block(data: bytes) -> Block:
    """The block in `data`. StoreError as in `decode`."""
    body = _body(data, BLOCK)
    if len(body) < _BLOCK_HEAD.size:
        raise StoreError("this block ends within its head")
    rows, columns = _BLOCK_HEAD.unpack_from(body)
    wanted = rows * 8 + columns * 4 + rows * columns * 8
    plain = _decompress(body[_BLOCK_HEAD.size :], wanted)
    times = np.cumsum(np.frombuffer(plain, "<i8", rows), dtype=np.int64)
    ids: I32 = np.frombuffer(plain, "<i4", columns, rows * 8).astype(np.int32)
    planes = np.frombuffer(plain, np.uint8, rows * columns * 8, rows * 8 + columns * 4)
    words = np.ascontiguousarray(planes.reshape(8, -1).T).view("<u8").reshape(columns, rows)
    values = np.bitwise_xor.accumulate(words, axis=1).T if rows else words.T
    return Block(times, ids, np.ascontiguousarray(values).view(np.float64).reshape(rows, columns))


def pack_arrays(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Named arrays of numbers, booleans or fixed-width text as bytes.

    Raises
    ------
    StoreError : an array of objects, which could not be read back without running code; or more than a store gives back
    """
    size = sum(array.nbytes for array in arrays.values())
    if size > MAX_PLAIN_BYTES:
        raise StoreError(f"{size:,} bytes of arrays are over the limit of {MAX_PLAIN_BYTES:,}")
    head, parts = [], []
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise StoreError(f"array {name!r} holds objects; only numbers, booleans and fixed-width text can be kept")
        parts.append(np.ascontiguousarray(array).tobytes())
        head.append((name, array.dtype.str, array.shape))
    packed, head_bytes = _compress(b"".join(parts)), _encoder.encode(head)
    if len(packed) > MAX_PACKED_BYTES:
        raise StoreError(f"{len(packed):,} bytes of packed arrays are over the limit of {MAX_PACKED_BYTES:,}")
    return bytes((VERSION, ARRAYS)) + _BLOCK_HEAD.pack(len(head_bytes), 0) + head_bytes + packed


def prefixed(parts: Mapping[str, Mapping[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """The arrays of all parts in one, each behind the name of its part.

    >>> sorted(prefixed({"bank": {"level": np.zeros(1)}, "season": {}}))
    ['bank.level']
    """
    return {f"{part}.{name}": array for part, arrays in parts.items() for name, array in arrays.items()}


def part_of(arrays: Mapping[str, NDArray[Any]], name: str) -> dict[str, NDArray[Any]]:
    """One part out of what `prefixed` gave; empty if there is none of that name."""
    return {k.removeprefix(f"{name}."): v for k, v in arrays.items() if k.startswith(f"{name}.")}


def unpack_arrays(data: bytes) -> dict[str, NDArray[Any]]:
    """The named arrays in `data`, writable. StoreError as in `decode`."""
    body = _body(data, ARRAYS)
    try:
        head_size, _ = _BLOCK_HEAD.unpack_from(body)
        start = _BLOCK_HEAD.size
        head = msgspec.msgpack.decode(body[start : start + head_size], type=list[tuple[str, str, tuple[int, ...]]])
        kinds = [(name, np.dtype(kind), shape) for name, kind, shape in head]
    except (struct.error, msgspec.DecodeError, TypeError, ValueError) as error:
        raise StoreError(f"the head of these arrays is damaged: {error}") from error
    return _cut_arrays(kinds, body[start + head_size :])


def _cut_arrays(kinds: list[tuple[str, np.dtype[Any], tuple[int, ...]]], packed: bytes) -> dict[str, NDArray[Any]]:
    sizes = []
    for name, kind, shape in kinds:
        if kind.hasobject or kind.itemsize == 0 or any(side < 0 for side in shape):
            raise StoreError(f"array {name!r} has type {kind.str} and shape {shape}, which cannot be")
        sizes.append(int(np.prod([kind.itemsize, *shape], dtype=object)))
    plain = _decompress(packed, sum(sizes))
    result, at = {}, 0
    for (name, kind, shape), size in zip(kinds, sizes, strict=True):
        result[name] = np.frombuffer(plain[at : at + size], kind).reshape(shape).copy()
        at += size
    return result


@dataclass(frozen=True, slots=True)
class _CaseHead:
    name: str
    columns: tuple[Column, ...]
    nodes: tuple[str, ...]
    edges: tuple[tuple[str, str, int], ...]
    symptom: Symptom
    trigger_ms: int
    step_s: float
    changes: tuple[Change, ...]


def encode_case(case: Case) -> bytes:
    """A ranking case as bytes."""
    head = _CaseHead(
        case.name,
        case.columns,
        tuple(case.graph.services()),
        tuple(case.graph.edges()),
        case.symptom,
        case.trigger_ms,
        case.step_s,
        case.changes,
    )
    text = np.frombuffer(encode(head), np.uint8)
    return pack_arrays({"head": text, "times": case.times, "abnormal": case.abnormal, "values": case.values})


def decode_case(data: bytes) -> Case:
    """The ranking case in `data`. StoreError as in `decode`."""
    arrays = unpack_arrays(data)
    if set(arrays) != {"head", "times", "abnormal", "values"}:
        raise StoreError(f"these arrays are no case: {sorted(arrays)}")
    head = decode(arrays["head"].tobytes(), _CaseHead)
    graph = ServiceGraph(nodes=head.nodes)
    for caller, callee, seen_ms in head.edges:
        graph.add(caller, callee, seen_ms)
    return Case(
        name=head.name,
        times=arrays["times"],
        abnormal=arrays["abnormal"],
        columns=head.columns,
        values=arrays["values"],
        graph=graph,
        symptom=head.symptom,
        trigger_ms=head.trigger_ms,
        step_s=head.step_s,
        changes=head.changes,
    )


def _body(data: bytes, kind: int) -> bytes:
    if len(data) < 2:
        raise StoreError(f"{len(data)} bytes are too few for a {_KINDS[kind]}")
    if data[0] != VERSION:
        raise StoreError(f"written by format version {data[0]}, this program reads version {VERSION}")
    if data[1] != kind:
        raise StoreError(f"these bytes are {_KINDS.get(data[1], 'unknown')}, wanted {_KINDS[kind]}")
    return data[2:]


def _compress(plain: bytes) -> bytes:
    return _SIZE.pack(len(plain)) + bytes(cramjam.zstd.compress(plain, level=_ZSTD_LEVEL))


def _decompress(packed: bytes, wanted: int) -> bytes:
    if len(packed) < _SIZE.size or _SIZE.unpack_from(packed)[0] != wanted:
        raise StoreError(f"damaged: the head promises {wanted} bytes, the body does not hold them")
    if wanted > MAX_PLAIN_BYTES:
        raise StoreError(f"{wanted} bytes are over the limit of {MAX_PLAIN_BYTES}")
    room = bytearray(wanted)
    try:
        size = cramjam.zstd.decompress_into(packed[_SIZE.size :], room)
    except cramjam.DecompressionError as error:
        raise StoreError(f"damaged: {error}") from error
    if size != wanted:
        raise StoreError(f"damaged: {size} bytes came out, {wanted} were promised")
    return bytes(room)
