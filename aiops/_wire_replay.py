"""Replay files: samples and events as a sequence of frames, to be run again later or elsewhere.

magic "AIOPSREP", version byte, length-prefixed head (msgpack), then frames of

    u32 length of the body | u32 CRC-32 of the body | u8 kind | body

Kinds: a series (its number, key and signal, before the first block that has it), a block, an event.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from aiops._wire_bytes import decode, decode_block, encode, encode_block
from aiops.errors import InputError, StoreError
from aiops.model import Block, Event, SeriesKey, Signal

MAGIC = b"AIOPSREP"
VERSION = 1
MAX_FRAME_BYTES = 256 * 2**20
"""A length beyond this is damage, not data: chosen, a block of 8,000 series and a day at 30 s is 180 MB unpacked."""

_FRAME = struct.Struct("<IIB")
_LENGTH = struct.Struct("<I")
_SERIES, _BLOCK, _EVENT = 1, 2, 3


@dataclass(frozen=True, slots=True)
class ReplayHead:
    """What a whole file is about: where it came from and the usual distance of its rows."""

    name: str = ""
    step_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ReplayBlock:
    """A block with the series of its columns; the numbers mean something within one file only."""

    block: Block
    keys: tuple[SeriesKey, ...]
    signals: tuple[Signal, ...]

    def __post_init__(self) -> None:
        if not len(self.block.ids) == len(self.keys) == len(self.signals):
            counts = len(self.block.ids), len(self.keys), len(self.signals)
            raise ValueError(f"columns, keys and signals must be equally many, got {counts}")


@dataclass(frozen=True, slots=True)
class _Series:
    number: int
    key: SeriesKey
    signal: Signal


def write_replay(path: Path, frames: Iterable[ReplayBlock | Event], *, name: str = "", step_s: float = 0.0) -> int:
    """Write a file, as a whole or not at all; the number of frames written.

    Raises
    ------
    InputError : the file cannot be written, or a number means two series
    """
    part = path.with_name(f"{path.name}.part")
    count = 0
    try:
        with part.open("wb") as file:
            head = encode(ReplayHead(name, step_s))
            file.write(MAGIC + bytes((VERSION,)) + _LENGTH.pack(len(head)) + head)
            known: dict[int, tuple[SeriesKey, Signal]] = {}
            for frame in frames:
                for kind, body in _bodies(frame, known, path):
                    file.write(_FRAME.pack(len(body), zlib.crc32(body), kind) + body)
                count += 1
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
    return count


def _bodies(
    frame: ReplayBlock | Event, known: dict[int, tuple[SeriesKey, Signal]], path: Path
) -> Iterator[tuple[int, bytes]]:
    if isinstance(frame, Event):
        yield _EVENT, encode(frame)
        return
    for number, key, signal in zip(frame.block.ids.tolist(), frame.keys, frame.signals, strict=True):
        if number not in known:
            known[number] = (key, signal)
            yield _SERIES, encode(_Series(number, key, signal))
        elif known[number] != (key, signal):
            raise InputError(f"{path}: number {number} means {known[number][0]} and {key}")
    yield _BLOCK, encode_block(frame.block)


def read_replay_head(path: Path) -> ReplayHead:
    """What the file is about. InputError as in `read_replay`."""
    with _opened(path) as file:
        return _head(file, path)


def read_replay(path: Path) -> Iterator[ReplayBlock | Event]:
    """The frames of a file, in order.

    Raises
    ------
    InputError : the file is missing, none of ours, cut off or damaged; names the file and the byte. Frames before that
        byte have been given out: they are whole.
    """
    with _opened(path) as file:
        _head(file, path)
        known: dict[int, _Series] = {}
        while (frame := _next(file, path)) is not None:
            at, kind, body = frame
            try:
                made = _made(kind, body, known)
            except (StoreError, ValueError, KeyError) as error:
                raise InputError(f"{path}: damaged at byte {at}: {error}") from error
            if made is not None:
                yield made


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error


def _head(file: IO[bytes], path: Path) -> ReplayHead:
    start = file.read(len(MAGIC) + 1)
    if start[: len(MAGIC)] != MAGIC or len(start) <= len(MAGIC):
        raise InputError(f"{path}: is no replay file")
    if start[-1] != VERSION:
        raise InputError(f"{path}: written by format version {start[-1]}, this program reads version {VERSION}")
    (length,) = _LENGTH.unpack(_exactly(file, _LENGTH.size, path))
    try:
        return decode(_exactly(file, _checked(length, file, path), path), ReplayHead)
    except StoreError as error:
        raise InputError(f"{path}: damaged at byte {len(start)}: {error}") from error


def _next(file: IO[bytes], path: Path) -> tuple[int, int, bytes] | None:
    at = file.tell()
    if not (first := file.read(1)):
        return None
    length, checksum, kind = _FRAME.unpack(first + _exactly(file, _FRAME.size - 1, path))
    body = _exactly(file, _checked(length, file, path), path)
    if zlib.crc32(body) != checksum:
        raise InputError(f"{path}: damaged at byte {at}: the checksum is wrong")
    return at, kind, body


def _checked(length: int, file: IO[bytes], path: Path) -> int:
    if length > MAX_FRAME_BYTES:
        raise InputError(f"{path}: damaged before byte {file.tell()}: a frame of {length} bytes")
    return length


def _exactly(file: IO[bytes], size: int, path: Path) -> bytes:
    at = file.tell()
    data = file.read(size)
    if len(data) < size:
        raise InputError(
            f"{path}: ends at byte {at + len(data)}, in the middle of a frame: {size} bytes wanted at {at}"
        )
    return data


def _made(kind: int, body: bytes, known: dict[int, _Series]) -> ReplayBlock | Event | None:
    if kind == _EVENT:
        return decode(body, Event)
    if kind == _SERIES:
        series = decode(body, _Series)
        known[series.number] = series
        return None
    if kind != _BLOCK:
        raise StoreError(f"frame of unknown kind {kind}")
    block = decode_block(body)
    columns = [known[number] for number in block.ids.tolist()]
    return ReplayBlock(block, tuple(s.key for s in columns), tuple(s.signal for s in columns))
