"""Kernels between raw samples and signals: cells, rates, levels, joined groups, quantiles.

Theory. A tick at T looks at windows (T - window, T] whose length is a whole number of steps. So what happened within
one step to one raw series can be summed up once, in a *cell*, and a window is a few cells: its first and last sample,
how many there were and how much a counter grew (a fall is a reset, the growth is then the new value). That is all
`rate()` asks for, so nothing is approximated and a sample is touched once, however many windows it lies in.

One thing is not as in Prometheus. A counter that falls by less than a tenth was corrected, not reset: a process that
starts anew does not come near its old count within one scrape. `rate()` sees growth by the whole count there.

Cells are float64 (p, r, 8), one row per step, one 64-byte cache line per raw series; unix ms fit into 53 bits. NaN
samples (stale markers among them) end a level and are nothing to a counter. Rows are used again without being moved or
emptied: `places` says which row of the array is the s-th step, and a cell whose last sample is not of that step is an
empty one, be it of zeros or what is left of an earlier step.

Fields of cells are read one by one: an array for the cell itself would cost more than what is done with it. Places are
unsigned numbers where they are many: numba tests others for being negative, and turns them round.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from aiops.model import F64, I32, I64

COUNT, FIRST_MS, FIRST, LAST_MS, LAST, GROWTH, LEVEL_MS, LEVEL = range(8)
"""Fields of a cell; LEVEL_MS is the time of the last sample of any kind."""

SUM, MAX, MIN, AVG = range(4)
"""Ways to join a group."""

_CORRECTED = 0.9  # chosen: a counter that keeps this share of its value was not reset


@njit(cache=True, error_model="numpy", inline="always")
def _grown(last: float, value: float) -> float:
    """By how much a counter grew from one sample to the next; below 0 where it was corrected."""
    return value - last if value >= last or value >= _CORRECTED * last else value


@njit(cache=True, error_model="numpy")
def scatter(  # noqa: PLR0917 - kernels take numbers by position
    cells: F64, places: I64, first_tick_ms: int, step_ms: int, raws: I32, times: I64, values: F64
) -> Any:
    """Sum samples up in their cells; how many were repetitions, or -1 if a sample came before an earlier one.

    The first of two samples with the same time counts. After -1 the cells are spoilt: empty them and come again with
    samples sorted by time.

    Parameters
    ----------
    places : rows of the ticks that close, the first tick's first
    raws, times, values : (k,), each of one of these ticks

    Raises
    ------
    IndexError
        for a sample of no tick that closes, which would be written outside the cells
    """
    repeated = 0
    begin_ms = end_ms = first_tick_ms - step_ms
    p = places[0]
    for i in range(len(raws)):
        r, value = raws[i], values[i]
        if times[i] <= begin_ms or times[i] > end_ms:
            step = (times[i] - 1 - (first_tick_ms - step_ms)) // step_ms
            if step < 0 or step >= len(places):
                raise IndexError("a sample lies outside the ticks that close")
            p = places[step]
            begin_ms = first_tick_ms + (step - 1) * step_ms
            end_ms = begin_ms + step_ms
        time, before = float(times[i]), cells[p, r, LEVEL_MS]
        if before <= begin_ms:
            cells[p, r, COUNT] = cells[p, r, GROWTH] = 0
        elif time <= before:
            if time < before:
                return -1
            repeated += 1
            continue
        cells[p, r, LEVEL_MS], cells[p, r, LEVEL] = time, value
        if np.isnan(value):
            continue
        if cells[p, r, COUNT] == 0:
            cells[p, r, FIRST_MS], cells[p, r, FIRST] = time, value
        else:
            last = cells[p, r, LAST]
            cells[p, r, GROWTH] += _grown(last, value)
        cells[p, r, LAST_MS], cells[p, r, LAST] = time, value
        cells[p, r, COUNT] += 1
    return repeated


@njit(cache=True, error_model="numpy")
def _rate(  # noqa: PLR0917 - same
    count: float, first_ms: float, first: float, last_ms: float, growth: float, end_ms: float, window_ms: float
) -> Any:
    """Growth per second, stretched to the borders of the window as far as Prometheus' `extrapolatedRate` does."""
    growth = max(growth, 0.0)
    between_ms = last_ms - first_ms
    average_ms = between_ms / (count - 1)
    to_start_ms = first_ms - (end_ms - window_ms)
    to_end_ms = end_ms - last_ms
    # 1.1: a missing sample more and the series is taken to begin or end inside the window (Prometheus).
    if to_start_ms >= 1.1 * average_ms:
        to_start_ms = average_ms / 2
    if growth > 0 and first >= 0:
        to_start_ms = min(to_start_ms, between_ms * (first / growth))  # a counter was never below 0
    if to_end_ms >= 1.1 * average_ms:
        to_end_ms = average_ms / 2
    return growth * ((between_ms + to_start_ms + to_end_ms) / between_ms) / (window_ms / 1000)


@njit(cache=True, error_model="numpy")
def rates(  # noqa: PLR0917 - same
    cells: F64, places: I64, wanted: I32, steps: int, first_tick_ms: int, step_ms: int, out: F64
) -> None:
    """Rates per second of counters at each tick; NaN with fewer than two samples in the window.

    Parameters
    ----------
    places : rows of the steps, the first tick's own at `steps - 1`
    wanted : columns to fill in
    steps : length of the window
    out : (t, r)
    """
    window_ms = float(steps * step_ms)
    flat, width = cells.reshape(cells.size), np.uint64(cells.shape[1])
    for k in range(len(out)):
        end_ms = float(first_tick_ms + k * step_ms)
        for column in wanted:
            r, rate = np.uint64(column), np.nan
            count = first_ms = first = last_ms = last = growth = 0.0
            begin_ms = end_ms - window_ms - step_ms
            for s in range(k, k + steps):
                begin_ms += step_ms
                cell = (np.uint64(places[np.uint64(s)]) * width + r) * np.uint64(8)
                some = flat[cell + np.uint64(COUNT)]
                if some == 0 or flat[cell + np.uint64(LEVEL_MS)] <= begin_ms:
                    continue
                begin = flat[cell + np.uint64(FIRST)]
                if count == 0:
                    first_ms, first = flat[cell + np.uint64(FIRST_MS)], begin
                else:
                    growth += _grown(last, begin)
                growth += flat[cell + np.uint64(GROWTH)]
                count += some
                last_ms, last = flat[cell + np.uint64(LAST_MS)], flat[cell + np.uint64(LAST)]
            if count >= 2:
                rate = _rate(count, first_ms, first, last_ms, growth, end_ms, window_ms)
            out[np.uint64(k), r] = rate


@njit(cache=True, error_model="numpy")
def levels(  # noqa: PLR0917 - same
    cells: F64, places: I64, wanted: I32, first_tick_ms: int, step_ms: int, lookback_ms: int, last: F64, out: F64
) -> None:
    """Last values within the lookback at each tick, NaN where there is none.

    Parameters
    ----------
    places : rows of the ticks' own cells
    wanted : columns to fill in
    last : (r, 2) time and value of the last sample before and, on return, after these ticks
    out : (t, r)
    """
    for k in range(len(out)):
        end_ms = float(first_tick_ms + k * step_ms)
        begin_ms, since_ms = end_ms - step_ms, end_ms - lookback_ms
        p = places[k]
        for r in wanted:
            if cells[p, r, LEVEL_MS] > begin_ms:
                last[r, 0], last[r, 1] = cells[p, r, LEVEL_MS], cells[p, r, LEVEL]
            out[k, r] = last[r, 1] if last[r, 0] > since_ms else np.nan


@njit(cache=True, error_model="numpy")
def joined(values: F64, columns: I32, starts: I64, how: int, out: F64) -> None:
    """Join the columns of each group, NaN ones left out; NaN where a group has no other.

    Parameters
    ----------
    values : (t, r)
    columns : columns of all groups, group by group
    starts : (g + 1,) where each group begins in `columns`
    how : SUM, MAX, MIN or AVG
    out : (t, g)
    """
    for k in range(len(values)):
        for g in range(len(starts) - 1):
            total, count = 0.0, 0
            for j in range(starts[g], starts[g + 1]):
                value = values[k, columns[j]]
                if np.isnan(value):
                    continue
                if count == 0:
                    total = value
                elif how == MAX:
                    total = max(total, value)
                elif how == MIN:
                    total = min(total, value)
                else:
                    total += value
                count += 1
            if how == AVG:
                total /= count
            out[k, g] = total if count else np.nan


@njit(cache=True, error_model="numpy")
def quantiles(  # noqa: PLR0917 - same
    q: float, buckets: F64, bounds: F64, starts: I64, out: F64, totals: F64
) -> None:
    """Quantiles of classic histograms, interpolated as Prometheus' `histogram_quantile` does.

    The lowest bucket begins at 0 if its bound is above 0; above the highest finite bound the answer is that bound. NaN
    without observations, without the +Inf bucket or with a single bucket. Counts that fall are raised to the one
    before: scrapes of one histogram can be torn.

    Parameters
    ----------
    buckets : (t, b) cumulative rates of the buckets of all groups, NaN = no series
    bounds : (b,) upper bounds, increasing within a group
    starts : (g + 1,) where each group begins
    out : (t, g)
    totals : (t, g) out: the rate of the +Inf bucket, NaN = none
    """
    for k in range(len(buckets)):
        for g in range(len(starts) - 1):
            begin, end = starts[g], starts[g + 1]
            out[k, g] = totals[k, g] = np.nan
            if begin == end or bounds[end - 1] != np.inf or np.isnan(buckets[k, end - 1]):
                continue
            totals[k, g] = buckets[k, end - 1]
            out[k, g] = _quantile(q, buckets[k, begin:end], bounds[begin:end])


@njit(cache=True, error_model="numpy")
def _quantile(q: float, counts: F64, bounds: F64) -> Any:
    total = 0.0
    for count in counts:
        if not np.isnan(count):
            total = max(total, count)
    rank = q * total
    below, low, there = 0.0, 0.0, 0
    for i in range(len(counts)):
        if np.isnan(counts[i]):
            continue
        count = max(below, counts[i])
        # The +Inf bucket is the last one, and only now is it known whether there was another.
        if i == len(counts) - 1 or count >= rank:
            if i == len(counts) - 1:
                return low if there and total > 0 else np.nan
            if total <= 0:
                return np.nan
            if there == 0 and bounds[i] <= 0:
                return bounds[i]
            return low + (bounds[i] - low) * ((rank - below) / (count - below))
        below, low = count, bounds[i]
        there += 1
    return np.nan
