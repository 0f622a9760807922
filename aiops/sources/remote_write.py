"""Prometheus remote_write, 1.0 and 2.0: a request body in, samples of numbered series out.

`WriteReader.read` either returns all of a body or raises and returns nothing. What it raises is permanent, so that the
sender does not try again: `UnsupportedMedia` is HTTP 415, any other `InputError` 400. Overload (503) is not decided
here but where the samples go.

Labels are looked into once: a label set that was seen before is known by its fingerprint. All arrays are used again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from aiops.errors import InputError, TooLarge
from aiops.model import I32, I64
from aiops.sources import _wire_fields as wire
from aiops.sources import _wire_scan as v1
from aiops.sources import _wire_scan_v2 as v2
from aiops.sources._fingerprint import MOST_LISTED, U8, U64, fingerprint_of_list
from aiops.sources._numbering import Numbering, numbers_of
from aiops.sources._pushed_samples import WriteLimits, checked_pairs, fields, varints
from aiops.sources._snappy import Unpacker
from aiops.sources._write_headers import Version, version_of

STALE_BITS = np.uint64(0x7FF0000000000002)
"""The one NaN that means "this series ended" (prometheus/model/value)."""

_LABEL_TAG = 10


@dataclass(frozen=True, slots=True)
class Numbered:
    """Samples of a body. The arrays are overwritten by the next one.

    Parameters
    ----------
    version : of remote_write
    numbers : (k,) int32, number of the series of each sample, below 0 for one that is not held
    times : (k,) int64 unix ms, in any order
    values : (k,) float64 as they were sent: any NaN, the stale marker among them, and infinities
    skipped : what the body held and nobody reads, by reason: exemplars, histograms, metadata
    """

    version: Version
    numbers: I32
    times: I64
    values: NDArray[np.float64]
    skipped: dict[str, int] = field(default_factory=dict)


class WriteReader:
    """Reads bodies one after the other.

    Parameters
    ----------
    series : gives numbers; new label sets are put to it after all of a body was checked
    limits : beyond them a body is refused
    """

    def __init__(self, series: Numbering, limits: WriteLimits | None = None) -> None:
        self._series, self._limits = series, limits or WriteLimits()
        self._unpacker = Unpacker(self._limits)
        most = self._limits.samples_per_body
        # Pages that no body has needed yet take no memory.
        self._numbers: I32 = np.empty(most, np.int32)
        self._times: I64 = np.empty(most, np.int64)
        self._bits: U64 = np.empty(most, np.uint64)
        self._strangers: I64 = np.empty((self._limits.series_per_body, 4), np.int64)
        self._symbols: I64 = np.empty((self._limits.symbols_per_body, 2), np.int64)
        self._symbol_prints: U64 = np.empty((self._limits.symbols_per_body, 2), np.uint64)
        self._refs: I64 = np.empty(MOST_LISTED, np.int64)
        self._tally: I64 = np.zeros(v1.TALLY_PLACES, np.int64)

    def read(self, body: bytes | memoryview, headers: Mapping[str, str]) -> Numbered:
        """Read a request.

        Parameters
        ----------
        headers : names in any case

        Raises
        ------
        UnsupportedMedia : another message, or not snappy (415)
        TooLarge, InputError : anything else that sending it again will not heal (400)
        """
        version = version_of(headers)
        buf, size = self._unpacker.unpack(body)
        if version == 1:
            self._scan_v1(buf, size)
        else:
            self._scan_v2(buf, size)
        tally = self._tally.tolist()
        k = tally[v1.N_SAMPLES]
        skipped = {
            "exemplars": tally[v1.N_EXEMPLARS],
            "histograms": tally[v1.N_HISTOGRAMS],
            "metadata": tally[v1.N_METADATA],
        }
        return Numbered(version, self._numbers[:k], self._times[:k], self._bits[:k].view(np.float64), skipped)

    def _scan_v1(self, buf: U8, size: int) -> None:
        self._tally[:] = 0
        table = self._series.index.table
        fault = v1.scan(buf, size, *table, self._strangers, self._numbers, self._times, self._bits, self._tally)
        self._check(fault, "WriteRequest")
        count = self._tally[v1.N_STRANGERS]
        if count:
            keys = _keys(buf[:size].tobytes(), self._strangers[:count])
            self._introduce(numbers_of(keys, self._series, self._limits))

    def _scan_v2(self, buf: U8, size: int) -> None:
        self._tally[:] = 0
        table = self._series.index.table
        symbols = v2.scan_symbols(buf, size, table.key, self._symbols, self._symbol_prints, self._tally)
        self._check(max(-symbols, wire.OK), "write.v2.Request")
        fault = v2.scan_v2(
            buf,
            size,
            *table,
            self._symbol_prints,
            symbols,
            self._refs,
            self._strangers,
            self._numbers,
            self._times,
            self._bits,
            self._tally,
        )
        self._check(fault, "write.v2.Request")
        count = self._tally[v1.N_STRANGERS]
        if count:
            self._introduce(self._numbered_v2(buf[:size].tobytes(), symbols, self._strangers[:count]))

    def _numbered_v2(self, raw: bytes, symbols: int, strangers: I64) -> I32:
        places = self._symbols[:symbols].tolist()
        refs = [_refs(raw, start, end) for start, end in strangers[:, v1.SERIES_START :].tolist()]
        found = [
            checked_pairs([(raw[slice(*places[a])], raw[slice(*places[b])]) for a, b in pairs], self._limits)
            for pairs in refs
        ]
        numbers = np.empty(len(found), np.int32)
        for i, labels in enumerate(found):
            numbers[i] = self._series.number(labels)
            listed = np.array(refs[i], np.int64).ravel()
            if 0 < len(listed) <= MOST_LISTED:
                print_ = fingerprint_of_list(self._symbol_prints, listed, len(listed), self._series.index.table.key)
                size = np.array([v2.REFS_SIZE + len(listed)], np.int32)
                self._series.remember(np.array([print_], np.uint64), size, numbers[i : i + 1])
        return numbers

    def _introduce(self, numbers: I32) -> None:
        """Give the samples of strangers their numbers."""
        of_samples = self._numbers[: self._tally[v1.N_SAMPLES]]
        strange = of_samples <= v1.STRANGER
        of_samples[strange] = numbers[v1.STRANGER - of_samples[strange]]

    def _check(self, fault: int, message: str) -> None:
        limits = self._limits
        if fault == wire.TOO_MANY_SERIES:
            raise TooLarge(f"the body has more than {limits.series_per_body} series")
        if fault == wire.TOO_MANY_SAMPLES:
            raise TooLarge(f"the body has more than {limits.samples_per_body} samples")
        if fault == wire.TOO_MANY_SYMBOLS:
            raise TooLarge(f"the body has more than {limits.symbols_per_body} symbols")
        if fault == wire.LONG_LABEL:
            raise TooLarge(f"a label value has more than {limits.label_value_bytes} bytes")
        if fault != wire.OK:
            place = self._tally[v1.FAULT_AT]
            raise InputError(f"the body is no {message}: {wire.MESSAGES[fault]}, at byte {place}")


def _keys(raw: bytes, strangers: I64) -> list[bytes]:
    return [
        raw[labels_start:labels_end]
        if labels_end >= 0
        else b"".join(raw[a:b] for tag, a, _, b in fields(raw, start, end) if tag == _LABEL_TAG)
        for labels_start, labels_end, start, end in strangers.tolist()
    ]


def _refs(raw: bytes, start: int, end: int) -> list[tuple[int, int]]:
    """Names and values of a series as places in the table of symbols, which were checked by the scanner."""
    flat = list[int]()
    for tag, _, value_start, value_end in fields(raw, start, end):
        if tag in (wire.TAG_1_BYTES, wire.TAG_1_VARINT):
            flat.extend(ref & 0xFFFFFFFF for ref in varints(raw, value_start, value_end))  # uint32, as the scanner
    return list(zip(flat[::2], flat[1::2], strict=True))


__all__ = ["STALE_BITS", "Numbered", "Numbering", "WriteLimits", "WriteReader"]
