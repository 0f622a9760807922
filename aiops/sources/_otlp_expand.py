"""From scanned OTLP data points to samples of series: counts to cumulative buckets, deltas to totals, starts to zeros.

Rule 1: what a point adds to state (totals, starts, last times) is added here and nowhere else, so that it can be taken
back when the samples are refused. Rule 2: a delta point at or before the last one of its series is a repetition; the
sender came again because our answer got lost. Rule 3: a start time that moves is a reset, whatever the value says: a
zero is put there, so that growth before and after it both count. It is left out where ticks are closed already.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from aiops.model import F64, I32, I64, Bools
from aiops.sources import _otlp_scan as otlp
from aiops.sources._fingerprint import load64 as _fixed64
from aiops.sources._wire_fields import varint as _varint

_U64 = NDArray[np.uint64]
_Bytes = NDArray[np.uint8]

DELTA, CUMULATIVE = 1, 2
"""Temporalities; 0 is unspecified."""

REPEATED, SAMPLES = range(2)
"""Places in `tally`."""

_NS_PER_MS = np.uint64(1_000_000)


@njit(cache=True)
def exponential_spans(buf: _Bytes, points: I64, wanted: I64, spans: I64) -> None:
    """First and last positive bucket that is not empty of each wanted point; last below first if all are empty."""
    for i in range(len(wanted)):
        point = points[wanted[i]]
        pos, end, index = point[otlp.COUNTS], point[otlp.COUNTS_END], point[otlp.OFFSET]
        first, last = 0, -1
        while pos < end:
            count, pos = _varint(buf, pos, end)
            if count > np.uint64(0):
                first, last = (index, index) if last < first else (first, index)
            index += 1
        spans[0, wanted[i]], spans[1, wanted[i]] = first, last


@njit(cache=True)
def _explicit(buf: _Bytes, point: I64, number: _U64, row: F64) -> Any:
    """Fill count, sum and cumulative buckets of a histogram; how many values there are."""
    bounds = (point[otlp.BOUNDS_END] - point[otlp.BOUNDS]) // 8
    if bounds and _fixed64(buf, point[otlp.BOUNDS_END] - 8) == np.uint64(0x7FF0000000000000):
        bounds -= 1  # an explicit +Inf is the last bucket, which there always is
    total = 0.0
    for j in range(bounds):
        total += float(_fixed64(buf, point[otlp.COUNTS] + 8 * j))
        row[2 + j] = total
    row[0] = row[2 + bounds] = float(number[otlp.COUNT])
    return bounds + 3


@njit(cache=True)
def _exponential(buf: _Bytes, point: I64, number: _U64, grid: I64, row: F64) -> Any:
    """Fill count, sum and cumulative buckets on a grid (g, low, size); how many values there are."""
    g, low, size = grid[0], grid[1], grid[2]
    row[2 : 3 + size] = 0.0
    shift = max(0, point[otlp.SCALE] - g)
    pos, end, above = point[otlp.COUNTS], point[otlp.COUNTS_END], point[otlp.OFFSET] + 1
    while pos < end:
        count, pos = _varint(buf, pos, end)
        place = -((-above) >> shift) - low
        if place < size:
            row[2 + max(place, 0)] += float(count)
        above += 1
    total = float(number[otlp.ZEROS]) + float(point[otlp.BELOW])
    for j in range(size):
        total += row[2 + j]
        row[2 + j] = total
    row[0] = row[2 + size] = float(number[otlp.COUNT])
    return size + 3


@njit(cache=True)
def _fill(buf: _Bytes, kind: int, point: I64, number: _U64, grid: I64, bits: _U64, row: F64) -> Any:  # noqa: PLR0917
    """Fill the values of a point in the order of its keys; how many there are."""
    bits[0] = number[otlp.VALUE]
    row[1] = bits.view(np.float64)[0]
    if kind in (otlp.GAUGE, otlp.SUM):
        row[0] = float(np.int64(number[otlp.VALUE])) if point[otlp.HAS] == 2 else row[1]
        return 1
    if kind == otlp.HISTOGRAM:
        return _explicit(buf, point, number, row)
    if kind == otlp.EXPONENTIAL:
        return _exponential(buf, point, number, grid, row)
    row[0] = float(number[otlp.COUNT])
    return 2


@njit(cache=True)
def expand(  # noqa: PLR0917 - kernels take their state by position, and may not be cut at it
    buf: _Bytes,
    found: tuple[I64, I64, _U64, I64, I64],
    state: tuple[I64, _U64, _U64, F64],
    closed_ms: int,
    row: F64,
    out: tuple[I32, I64, F64, Bools],
    tally: I64,
) -> None:
    """Write the samples of all points that have a slot.

    Parameters
    ----------
    found : the scanner's metrics, points and numbers; (p,) slot of each point, below 0 = refused; (p, 3) scale, low and
        size of the grid of an exponential histogram
    state : by slot: where its keys begin among all keys, start and time of its latest point in ns, 0 = none yet; and
        by key: sums of deltas
    closed_ms : ticks up to here are closed
    row : room for the values of one point
    out : place among all keys, unix ms, value and staleness of each sample; room for two samples per value
    tally : (2,) out: repeated deltas, samples written
    """
    metrics, points, numbers, slots, grids = found
    firsts, starts, lasts, totals = state
    series, times, values, stale = out
    n, bits = 0, np.zeros(1, np.uint64)
    for i in range(len(points)):
        slot = slots[i]
        if slot < 0:
            continue
        metric, point, number = metrics[points[i, otlp.METRIC]], points[i], numbers[i]
        kind, time_ns, start_ns = metric[otlp.KIND], number[otlp.TIME_NS], number[otlp.START_NS]
        is_delta = metric[otlp.TEMPORALITY] == DELTA and kind not in (otlp.GAUGE, otlp.SUMMARY)
        last_ns = lasts[slot]
        if is_delta and time_ns <= last_ns:
            tally[REPEATED] += 1
            continue
        is_stale = point[otlp.FLAGS] & 1 != 0
        width = _fill(buf, kind, point, number, grids[i], bits, row)
        no_sum = kind in (otlp.HISTOGRAM, otlp.EXPONENTIAL) and point[otlp.HAS] == 0
        time_ms = np.int64(time_ns // _NS_PER_MS)
        if time_ns >= last_ns:
            lasts[slot] = time_ns
            counts = is_delta or kind > otlp.SUM or (kind == otlp.SUM and metric[otlp.MONOTONIC] != 0)
            if counts and start_ns != starts[slot] and not is_stale:
                is_news = last_ns == 0 if is_delta else start_ns > starts[slot]
                starts[slot] = start_ns
                start_ms = np.int64(start_ns // _NS_PER_MS)
                last_ms = np.int64(last_ns // _NS_PER_MS)
                if is_news and closed_ms < start_ms and last_ms < start_ms < time_ms:
                    for j in range(width):
                        if j == 1 and no_sum:
                            continue
                        series[n], times[n], values[n], stale[n] = firsts[slot] + j, start_ms, 0.0, False
                        n += 1
        for j in range(width):
            if j == 1 and no_sum:
                continue
            value = np.nan if is_stale else row[j]
            if is_delta and np.isfinite(value):
                totals[firsts[slot] + j] += value
                value = totals[firsts[slot] + j]
            series[n], times[n], values[n], stale[n] = firsts[slot] + j, time_ms, value, is_stale
            n += 1
    tally[SAMPLES] = n
