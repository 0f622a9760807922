"""Samples as somebody pushed them: the one form in which every receiver hands them on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from aiops.errors import InputError, TooLarge
from aiops.model import F64, I32, I64, Labels


@dataclass(frozen=True, slots=True)
class WriteLimits:
    """What one pushed body may hold. Beyond it the whole body is refused and nothing of it is applied.

    The figures are chosen: ten times and more of what Prometheus sends by default (2,000 samples a body), label sizes
    in the range of Mimir's and Prometheus' own limits.
    """

    body_bytes: int = 16 << 20
    """Compressed size."""
    decompressed_bytes: int = 64 << 20
    """Decompressed size, read from the snappy preamble before anything is decompressed."""
    series_per_body: int = 200_000
    samples_per_body: int = 1_000_000
    symbols_per_body: int = 400_000
    labels_per_series: int = 64
    label_name_bytes: int = 1024
    label_value_bytes: int = 4096


@dataclass(slots=True)
class KnownNumbers:
    """Numbers that a receiver's keys were given with earlier bodies.

    Kept by a receiver that goes on using one list of keys, filled in and emptied by the source they are offered to.

    Parameters
    ----------
    numbers : by place in the list of keys; `_series_index.UNKNOWN` = not asked yet
    generation : the source's, in which they hold
    """

    numbers: I32
    generation: int = -1


@dataclass(frozen=True, slots=True)
class Samples:
    """What a receiver has decoded and checked.

    A label set travels as its *key*: the label fields of a remote_write 1.0 TimeSeries, byte for byte. Equal keys are
    equal label sets; different keys may be equal label sets too, because protobuf can be written in many ways.
    `labels_of` reads a key, `key_of` writes one, so a receiver of another protocol has only to call `key_of`.

    Parameters
    ----------
    keys : m label sets, checked by `labels_of`
    series : (k,) int32, index into `keys` of each sample
    times : (k,) int64 unix ms, in any order
    values : (k,) float64, finite or NaN
    stale : (k,) bool, the series ended here (its value is NaN)
    skipped : what the body held and nobody reads, by reason: exemplars, histograms, metadata; and
        `infinite`, samples whose value was taken for NaN
    known : what is known of `keys` from before; None = they are looked up each time
    """

    keys: list[bytes]
    series: I32
    times: I64
    values: F64
    stale: NDArray[np.bool_]
    skipped: dict[str, int] = field(default_factory=dict)
    known: KnownNumbers | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a request whose parts may be refused one by one.

    Parameters
    ----------
    rejected : data points left out
    message : why, for the sender's log; empty if there is nothing to say
    """

    rejected: int = 0
    message: str = ""


def _varint(data: bytes, pos: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while pos < end and shift < 70:  # 10 bytes of 7 bits
        byte = data[pos]
        pos += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, pos
        shift += 7
    raise InputError("label set: a number is cut short or longer than 10 bytes")


def varints(data: bytes, start: int, end: int) -> Iterator[int]:
    """Packed numbers."""
    while start < end:
        value, start = _varint(data, start, end)
        yield value


def fields(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """The fields of a message: tag, place of the tag, start and end of the value.

    Raises
    ------
    InputError : the bytes are no protobuf message, or hold a group
    """
    pos = start
    while pos < end:
        tag, value_start = _varint(data, tag_start := pos, end)
        wire = tag & 7
        if tag < 8 or tag > 0xFFFFFFFF or wire not in (0, 1, 2, 5):
            raise InputError("label set: a field has a number or a wire type that is not supported")
        if wire == 2:
            length, value_start = _varint(data, value_start, end)
            pos = value_start + length
        elif wire == 0:
            pos = _varint(data, value_start, end)[1]
        else:
            pos = value_start + (8 if wire == 1 else 4)
        if pos > end:
            raise InputError("label set: a field is longer than the message around it")
        yield tag, tag_start, value_start, pos


_NAME, _VALUE = 10, 18  # tags of Label{1 string name, 2 string value}; 10 is the tag of a label in its series too


def labels_of(key: bytes, limits: WriteLimits) -> Labels:
    """The label set behind a key.

    Raises
    ------
    InputError : not UTF-8, not sorted, a name twice, an empty name or value, no `__name__`
    TooLarge : more or longer labels than `limits` allow
    """
    plain = _plain_labels(key)
    if plain is not None and _are_short(plain, limits):
        return checked_labels(plain)
    return checked_pairs((_label(key, a, b) for tag, _, a, b in fields(key, 0, len(key)) if tag == _NAME), limits)


def _plain_labels(key: bytes) -> Labels | None:
    """The label set if it is ASCII and written as everybody writes it, in a fifth of the time; else None.

    All bytes are below 128 then, those of lengths too, so every length is one byte.
    """
    if not key.isascii():
        return None
    text, at, end, labels = key.decode("ascii"), 0, len(key), list[tuple[str, str]]()
    try:
        while at < end:
            value_at = at + 6 + key[at + 3]
            after = value_at + key[value_at - 1]
            if key[at] != _NAME or key[at + 1] != after - at - 2 or key[at + 2] != _NAME or key[value_at - 2] != _VALUE:
                return None
            labels.append((text[at + 4 : value_at - 2], text[value_at:after]))
            at = after
    except IndexError:
        return None
    return tuple(labels) if at == end else None


def _are_short(plain: Labels, limits: WriteLimits) -> bool:
    """Whether no limit can be exceeded; names and values of plain labels have less than 128 bytes."""
    return min(limits.label_name_bytes, limits.label_value_bytes) >= 127 and len(plain) <= limits.labels_per_series


def checked_pairs(pairs: Iterable[tuple[bytes, bytes]], limits: WriteLimits) -> Labels:
    """The label set of these names and values; raises as `labels_of`."""
    labels = list[tuple[str, str]]()
    for name, value in pairs:
        labels.append(_decoded(name, value, limits))
        if len(labels) > limits.labels_per_series:
            raise TooLarge(f"a series has more than {limits.labels_per_series} labels")
    return checked_labels(tuple(labels))


def _label(key: bytes, start: int, end: int) -> tuple[bytes, bytes]:
    name = value = b""
    for tag, _, value_start, value_end in fields(key, start, end):
        if tag == _NAME:
            name = key[value_start:value_end]
        elif tag == _VALUE:
            value = key[value_start:value_end]
    return name, value


def _decoded(name: bytes, value: bytes, limits: WriteLimits) -> tuple[str, str]:
    if len(name) > limits.label_name_bytes:
        raise TooLarge(f"a label name has {len(name)} bytes, the limit is {limits.label_name_bytes}")
    if len(value) > limits.label_value_bytes:
        raise TooLarge(f"a label value has {len(value)} bytes, the limit is {limits.label_value_bytes}")
    try:
        return name.decode(), value.decode()
    except UnicodeDecodeError as error:
        raise InputError(f"a label is not UTF-8: {error.reason} at byte {error.start}") from None


def checked_labels(labels: Labels) -> Labels:
    """The same labels, if they are sorted, unique, non-empty and have a `__name__`.

    Raises
    ------
    InputError : they are not
    """
    before = ""
    named = False
    for name, value in labels:
        if not name or not value:
            raise InputError("a label has an empty name" if not name else f"label {name[:80]!r} has an empty value")
        if name <= before:
            raise InputError(f"labels must be sorted and unique, found {name[:80]!r} after {before[:80]!r}")
        named = named or name == "__name__"
        before = name
    if not named:
        raise InputError("a series has no __name__ label")
    return labels


class SharedPairs:
    """One object for each name and value, however many label sets have them.

    Most pairs of a series are those of its pod, job or cluster: together with their strings they are nine tenths of
    what label sets take.

    >>> shared = SharedPairs()
    >>> one, other = (shared.labels((("job", "cart"), ("pod", pod))) for pod in "ab")
    >>> one[0] is other[0]
    True
    """

    def __init__(self) -> None:
        self._pairs: dict[tuple[str, str], tuple[str, str]] = {}

    def labels(self, labels: Labels) -> Labels:
        """The same label set, made of shared pairs."""
        share = self._pairs.setdefault
        return tuple([share(pair, pair) for pair in labels])

    def forget(self) -> None:
        """Share with later label sets only, so that pairs nobody has any more go."""
        self._pairs.clear()


def varint(value: int) -> bytes:
    """A non-negative number below 2^64 as a protobuf varint."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def key_of(labels: Iterable[tuple[str, str]]) -> bytes:
    """The key of a label set, in the order given.

    >>> labels_of(key_of([("__name__", "up"), ("job", "cart")]), WriteLimits())
    (('__name__', 'up'), ('job', 'cart'))
    """
    out = []
    for name, value in labels:
        n, v = name.encode(), value.encode()
        label = b"\x0a" + varint(len(n)) + n + b"\x12" + varint(len(v)) + v
        out.append(b"\x0a" + varint(len(label)) + label)
    return b"".join(out)
