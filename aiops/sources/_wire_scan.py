"""A bounds-checked scanner over the bytes of a `prometheus.WriteRequest`; its rules are those of `_wire_fields.py`.

Labels are not looked into. The scanner knows a series by the fingerprint of its label fields (equal bytes mean equal
labels), guesses first that the series comes that came next last time (`_series_index.py`) with plain samples, looks up
what is anything else, and hands back the place of what it does not know.

The schema (field numbers): WriteRequest{1 timeseries, 3 metadata}, TimeSeries{1 labels, 2 samples, 3 exemplars,
4 histograms}, Sample{1 double value, 2 int64 timestamp}.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from aiops.model import I32, I64
from aiops.sources import _wire_fields as wire
from aiops.sources._fingerprint import MOST_BYTES, U8, U64, fingerprint, load64
from aiops.sources._series_index import lookup

LABELS_START, LABELS_END, SERIES_START, SERIES_END = range(4)
"""Columns of `strangers`. LABELS_END = -1: the label fields are not in one piece."""

STRANGER = -1024
"""Samples of the i-th stranger have number STRANGER - i; numbers of known series are above it."""

N_SERIES, N_SAMPLES, N_STRANGERS, N_EXEMPLARS, N_HISTOGRAMS, N_METADATA, FAULT_AT = range(7)
"""Places in `tally`."""

TALLY_PLACES = 7


@njit(cache=True)
def _short_labels(buf: U8, pos: int, end: int) -> Any:
    """The place after the label fields that begin at `pos`, as far as each is shorter than 128 bytes."""
    while end - pos >= 2 and buf[np.uint64(pos)] == wire.TAG_1_BYTES:
        size: Any = np.int64(buf[np.uint64(pos + 1)])
        if size >= 128 or size > end - pos - 2:
            break
        pos += 2 + size
    return pos


@njit(cache=True)
def note_stranger(  # noqa: PLR0917 - kernels take their state by position
    strangers: I64, tally: I64, labels_start: int, labels_end: int, begin: int, stop: int
) -> None:
    """Write down where a series lies that is not known."""
    place = strangers[tally[N_STRANGERS]]
    place[LABELS_START], place[LABELS_END], place[SERIES_START], place[SERIES_END] = (
        labels_start,
        labels_end,
        begin,
        stop,
    )
    tally[N_STRANGERS] += 1


@njit(cache=True)
def _follow(  # noqa: PLR0917 - same
    buf: U8,
    pos: int,
    end: int,
    prints: U64,
    sizes: I32,
    follows: I32,
    known: I32,
    key: U64,
    previous: int,
    most_series: int,
    series: int,
    numbers: I32,
    times: I64,
    bits: U64,
    k: int,
) -> Any:
    """Read series as long as each is the one that came next last time and holds plain samples and nothing else.

    Nearly every byte of nearly every body is read here, so nothing is called but the fingerprint. The first series that
    is anything else ends it, be it only unusual, unknown or a fault: nothing of that one counts.

    Returns
    -------
    place of the series it ended at, how many series and samples there are so far, entry of the last one
    """
    entry: Any = np.int64(previous)
    while series < most_series:
        entry = np.int64(follows[previous])
        # Tag and length of a series of 128 to 16,383 bytes take three bytes.
        if entry < 0 or end - pos < 3 or buf[np.uint64(pos)] != wire.TAG_1_BYTES:
            break
        high_septet: Any = np.int64(buf[np.uint64(pos + 2)])
        length: Any = np.int64(buf[np.uint64(pos + 1)])
        begin: Any = pos + 2
        if length >= 128:
            if high_septet >= 128:
                break
            length, begin = (length & 127) | (high_septet << 7), pos + 3
        size: Any = np.int64(sizes[entry])
        at: Any = begin + size
        if length > end - begin or size == 0 or size >= length or (length - size) % wire.PLAIN_SAMPLE_BYTES:
            break
        stop, n = begin + length, k
        while at < stop and n < len(times):
            tail = load64(buf, at + 10)
            if not wire.is_plain(load64(buf, at), tail):
                break
            times[n], bits[n], numbers[n] = wire.plain_time(tail), load64(buf, at + 3), known[entry]
            n += 1
            at += wire.PLAIN_SAMPLE_BYTES
        if at < stop:
            break
        low, high = fingerprint(buf, begin, size, key)
        if prints[entry, 0] != low or prints[entry, 1] != high:
            break
        previous, series, k, pos = entry, series + 1, n, stop
    return pos, series, k, previous


@njit(cache=True)
def scan(  # noqa: PLR0915, PLR0917 - same, and see below
    buf: U8,
    end: int,
    prints: U64,
    sizes: I32,
    follows: I32,
    known: I32,
    slots: I32,
    key: U64,
    strangers: I64,
    numbers: I32,
    times: I64,
    bits: U64,
    tally: I64,
) -> Any:
    """Scan a WriteRequest; the fault code, OK = 0.

    Far longer than a screen: an array that is handed to a function costs numba seven words on the stack and two
    reference counts, and a dozen of them for each series cost more than reading it.

    Parameters
    ----------
    buf : (b,) uint8, the decompressed body up to `end` and at least SLACK_BYTES more
    prints, sizes, follows, known, slots, key : `SeriesIndex.table`; which series follows which is noted in it
    strangers : (max series, 4) int64, out: places of series that are not known, see LABELS_START
    numbers, times, bits : (max samples,), out: number of the series, unix ms, float64 bits of each sample
    tally : (8,) int64 zeros, out: counts, see N_SERIES; FAULT_AT is the byte at which a fault was met
    """
    pos, k, series = 0, 0, 0
    previous: Any = -1
    entry: Any
    labels_end: Any
    while pos < end:
        if previous >= 0:
            pos, series, k, previous = _follow(
                buf,
                pos,
                end,
                prints,
                sizes,
                follows,
                known,
                key,
                previous,
                len(strangers),
                series,
                numbers,
                times,
                bits,
                k,
            )
            tally[N_SERIES], tally[N_SAMPLES] = series, k
            if pos == end:
                break
        tally[FAULT_AT] = pos
        tag, begin, stop = wire.field(buf, pos, end)
        if stop < 0:
            return -stop
        pos = stop
        if tag == wire.TAG_5_BYTES:
            return wire.OTHER_VERSION
        if tag != wire.TAG_1_BYTES:
            tally[N_METADATA] += tag == wire.TAG_3_BYTES
            continue
        if series >= len(strangers):
            return wire.TOO_MANY_SERIES
        labels_start = begin
        labels_end = pos = _short_labels(buf, begin, stop)
        first = k
        while pos < stop:
            if k < len(times) and stop - pos >= wire.PLAIN_SAMPLE_BYTES:
                tail = load64(buf, pos + 10)
                if wire.is_plain(load64(buf, pos), tail):
                    times[k], bits[k] = wire.plain_time(tail), load64(buf, pos + 3)
                    k += 1
                    pos += wire.PLAIN_SAMPLE_BYTES
                    continue
            at = tally[FAULT_AT] = pos
            tag, inner, pos = wire.field(buf, pos, stop)
            if pos < 0:
                return -pos
            if tag == wire.TAG_1_BYTES:
                # More labels than were short and in one piece so far.
                if labels_start == labels_end:
                    labels_start = labels_end = at
                labels_end = pos if labels_end == at else -1
            elif tag == wire.TAG_2_BYTES:
                if k >= len(times):
                    return wire.TOO_MANY_SAMPLES
                time, value, fault = wire.sample(buf, inner, pos)
                if fault < 0:
                    return -fault
                times[k], bits[k] = np.int64(time), value
                k += 1
            elif tag == wire.TAG_3_BYTES:
                tally[N_EXEMPLARS] += 1
            elif tag == wire.TAG_4_BYTES:
                tally[N_HISTOGRAMS] += 1
        entry, size = np.int64(-1), labels_end - labels_start
        if labels_end >= 0 and 0 < size <= MOST_BYTES:
            low, high = fingerprint(buf, labels_start, size, key)
            entry = lookup(prints, sizes, slots, low, high, size)
        if entry >= 0 and previous >= 0:
            follows[previous] = entry
        number = np.int32(STRANGER - tally[N_STRANGERS])
        if entry >= 0:
            number = known[entry]
        else:
            note_stranger(strangers, tally, labels_start, labels_end, begin, stop)
        for i in range(first, k):
            numbers[i] = number
        series, previous, pos = series + 1, entry, stop
        tally[N_SERIES], tally[N_SAMPLES] = series, k
    return wire.OK
