"""A bounds-checked scanner over the bytes of an `io.prometheus.write.v2.Request`; see `_wire_scan.py` for its twin.

Labels are places in a table of symbols that each body brings along. A symbol is known by its fingerprint and a label
set by the fingerprint of its symbols' fingerprints, so equal label sets are recognised under any table.

The schema (field numbers): Request{4 symbols, 5 timeseries}, TimeSeries{1 labels_refs, 2 samples, 3 histograms,
4 exemplars, 5 metadata}, Sample{1 double value, 2 int64 timestamp, 3 int64 start_timestamp}. The start of a counter is
not read: a fall tells of a reset.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from aiops.model import I32, I64
from aiops.sources import _wire_fields as wire
from aiops.sources._fingerprint import MOST_BYTES, MOST_LISTED, U8, U64, fingerprint, fingerprint_of_list, load64
from aiops.sources._series_index import lookup
from aiops.sources._wire_scan import (
    FAULT_AT,
    N_EXEMPLARS,
    N_HISTOGRAMS,
    N_METADATA,
    N_SAMPLES,
    N_SERIES,
    N_STRANGERS,
    STRANGER,
    note_stranger,
)

REFS_SIZE = 1 << 30
"""Added to the number of symbols, it is the size of a label set in the index: no label set is as many bytes long."""

SYMBOL_START, SYMBOL_END = range(2)
"""Columns of `places`."""


@njit(cache=True)
def scan_symbols(  # noqa: PLR0917 - kernels take their state by position
    buf: U8, end: int, key: U64, places: I64, prints: U64, tally: I64
) -> Any:
    """Find the symbols: how many there are, or minus the fault.

    They may come after the series, so they are looked for first. A symbol that is too long for a fingerprint has the
    one of zeros; it is too long for a label too, but may be a metric's description, which nobody reads.

    Parameters
    ----------
    buf, end, key : as in `_wire_scan.scan`
    places : (max symbols, 2) int64, out: where each lies
    prints : (max symbols, 2) uint64, out: their fingerprints
    """
    pos, n = 0, 0
    while pos < end:
        tally[FAULT_AT] = pos
        tag, start, pos = wire.field(buf, pos, end)
        if pos < 0:
            return pos
        if tag == wire.TAG_1_BYTES:
            return -wire.OTHER_VERSION
        if tag != wire.TAG_4_BYTES:
            continue
        if n >= len(places):
            return -wire.TOO_MANY_SYMBOLS
        places[n, SYMBOL_START], places[n, SYMBOL_END] = start, pos
        prints[n, 0] = prints[n, 1] = 0
        if pos - start <= MOST_BYTES:
            prints[n, 0], prints[n, 1] = fingerprint(buf, start, pos - start, key)
        n += 1
    return n


@njit(cache=True)
def scan_refs(  # noqa: PLR0917 - same
    buf: U8, start: int, end: int, prints: U64, symbols: int, refs: I64, n: int
) -> Any:
    """Read packed references behind the n there are: how many there are then, or minus the fault.

    Those that have no room are counted and left out.
    """
    pos = start
    while pos < end:
        ref = np.uint64(buf[np.uint64(pos)])
        if ref < np.uint64(128):
            pos += 1
        elif end - pos >= 2 and buf[np.uint64(pos + 1)] < 128:
            ref = (ref & np.uint64(127)) | (np.uint64(buf[np.uint64(pos + 1)]) << np.uint64(7))
            pos += 2
        else:
            ref, pos = wire.varint(buf, pos, end)
            if pos < 0:
                return pos
            ref &= np.uint64(0xFFFFFFFF)  # as the protobuf library reads a uint32
        if ref >= np.uint64(symbols):
            return -wire.BAD_REF
        if prints[ref, 0] == 0 and prints[ref, 1] == 0:
            return -wire.LONG_LABEL
        if n < len(refs):
            refs[n] = np.int64(ref)
        n += 1
    return n


@njit(cache=True)
def scan_v2(  # noqa: PLR0915, PLR0917 - same, and see below
    buf: U8,
    end: int,
    prints: U64,
    sizes: I32,
    follows: I32,
    known: I32,
    slots: I32,
    key: U64,
    symbol_prints: U64,
    symbols: int,
    refs: I64,
    strangers: I64,
    numbers: I32,
    times: I64,
    bits: U64,
    tally: I64,
) -> Any:
    """Scan a Request whose symbols are known; the fault code, OK = 0. Far longer than a screen, as `_wire_scan.scan`.

    Parameters
    ----------
    symbol_prints, symbols : of `scan_symbols`
    refs : (MOST_LISTED,) int64, scratch
    strangers : only SERIES_START and SERIES_END are told
    others : as in `_wire_scan.scan`
    """
    pos, k, series = 0, 0, 0
    previous: Any = -1
    while pos < end:
        tally[FAULT_AT] = pos
        tag, begin, stop = wire.field(buf, pos, end)
        if stop < 0:
            return -stop
        pos = stop
        if tag != wire.TAG_5_BYTES:
            continue
        if series >= len(strangers):
            return wire.TOO_MANY_SERIES
        pos, first, n = begin, k, 0
        while pos < stop:
            if k < len(times) and stop - pos >= wire.PLAIN_SAMPLE_BYTES:
                tail = load64(buf, pos + 10)
                if wire.is_plain(load64(buf, pos), tail):
                    times[k], bits[k] = wire.plain_time(tail), load64(buf, pos + 3)
                    k += 1
                    pos += wire.PLAIN_SAMPLE_BYTES
                    continue
            tally[FAULT_AT] = pos
            tag, inner, pos = wire.field(buf, pos, stop)
            if pos < 0:
                return -pos
            if tag in (wire.TAG_1_BYTES, wire.TAG_1_VARINT):  # repeated numbers come packed or one by one
                n = scan_refs(buf, inner, pos, symbol_prints, symbols, refs, n)
                if n < 0:
                    return -n
            elif tag == wire.TAG_2_BYTES:
                if k >= len(times):
                    return wire.TOO_MANY_SAMPLES
                time, value, fault = wire.sample(buf, inner, pos)
                if fault < 0:
                    return -fault
                times[k], bits[k] = np.int64(time), value
                k += 1
            elif tag == wire.TAG_3_BYTES:
                tally[N_HISTOGRAMS] += 1
            elif tag == wire.TAG_4_BYTES:
                tally[N_EXEMPLARS] += 1
            elif tag == wire.TAG_5_BYTES:
                tally[N_METADATA] += 1
        if n % 2:
            return wire.BAD_REF
        entry = np.int64(-1)
        if 0 < n <= MOST_LISTED:
            size = REFS_SIZE + n
            low, high = fingerprint_of_list(symbol_prints, refs, n, key)
            if previous >= 0:
                entry = np.int64(follows[previous])
            if entry < 0 or prints[entry, 0] != low or prints[entry, 1] != high or sizes[entry] != size:
                entry = lookup(prints, sizes, slots, low, high, size)
                if entry >= 0 and previous >= 0:
                    follows[previous] = entry
        number = np.int32(STRANGER - tally[N_STRANGERS])
        if entry >= 0:
            number = known[entry]
        else:
            note_stranger(strangers, tally, begin, stop, begin, stop)
        for i in range(first, k):
            numbers[i] = number
        series, previous, pos = series + 1, entry, stop
        tally[N_SERIES], tally[N_SAMPLES] = series, k
    return wire.OK
