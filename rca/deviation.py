"""How far series are from their normal, in a unit that lets all of them be compared.

    rise  = mean of the most extreme half of the abnormal values, minus the normal median
    scale = the largest of: 1.48 MAD; 95 % spread / 1.96; 2 % of the median; for counts 1 and sqrt(median);
            and 2/3 of what the same statistic reached in the worst tenth of earlier windows of the same length
    z     = rise / scale

The last term damps what is often odd anyway: a series must beat its own past maxima, not only its median.

Limits: a series whose normal rows already hold the fault looks quiet. With fewer than five normal values there is no
opinion (NaN).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rca._base import F64, Bools

MIN_NORMAL = 5  # chosen: below that a median says nothing
_PAST_QUANTILE = 0.9  # of the earlier windows; measured on public cases
_PAST_QUANTILE_SHORT = 0.75  # windows of up to four values: noisier, so less of them
_PAST_SHARE = 1.5
FAINT = 1.5
"""Scales below which a deviation does not count at all (measured on public cases)."""
_LARGE = 1_000_000  # samples from which the compiled version is worth importing
_LONGEST = 64  # abnormal rows; its windows are sorted by insertion, which is for short ones
_CHUNK = 2048  # series


@dataclass(frozen=True, slots=True)
class Deviation:
    """Robust deviations of n series. All arrays (n,); NaN = no opinion.

    `median` and `scale` are in the unit of the series, `up` and `down` are how far it rose and fell, `z_up` and
    `z_down` the same in scales.
    """

    median: F64
    scale: F64
    up: F64
    down: F64
    z_up: F64
    z_down: F64

    @property
    def z(self) -> F64:
        """The larger of rise and fall, in scales."""
        return np.maximum(self.z_up, self.z_down)


def deviation(normal: F64, abnormal: F64, floor: F64 | float = 0.0) -> Deviation:
    """Compare abnormal with normal rows, column by column.

    Parameters
    ----------
    normal : (t, n) in order of time; NaN = missing
    abnormal : (a, n)
    floor : smallest scale, in the unit of the series; a number or (n,)

    >>> import numpy as np
    >>> calm = np.tile([0.9, 1.0, 1.1, 1.0], 10)[:, None]
    >>> found = deviation(calm, np.full((2, 1), 1.5))
    >>> float(found.median[0]), float(found.up[0]), round(float(found.z_up[0]), 1)
    (1.0, 0.5, 6.7)
    """
    with np.errstate(all="ignore"):  # columns without any value are NaN on purpose
        is_large = normal.size >= _LARGE and len(abnormal) <= _LONGEST
        median, scale, up, down = (_compiled if is_large else _plain)(normal, abnormal)
        scale = np.maximum(scale, floor)
        # What was constant has no scale of its own: any change is clear, but never clearer than ten scales.
        scale = np.where(scale > 0, scale, np.fmax(np.fmax(np.abs(up), np.abs(down)) / 10, 1e-12))
        enough = np.sum(np.isfinite(normal), axis=0) >= MIN_NORMAL
        nothing = np.where(enough, 0.0, np.nan)
        scale = scale + nothing
        return Deviation(median + nothing, scale, up + nothing, down + nothing, up / scale, down / scale)


def _plain(normal: F64, abnormal: F64) -> tuple[F64, F64, F64, F64]:
    """Median, scale without floors, rise and fall, (n,) each."""
    median = quantile(normal, 0.5)
    away = np.abs(normal - median)
    scale = np.maximum.reduce([1.4826 * quantile(away, 0.5), quantile(away, 0.95) / 1.96, 0.02 * np.abs(median)])
    poisson = np.maximum(1.0, np.sqrt(np.abs(median)))
    scale = np.where(_is_count(normal), np.maximum(scale, poisson), scale)
    up, down = _extreme_mean(abnormal - median), _extreme_mean(median - abnormal)
    past = np.fmax(scale, _past_extremes(away, len(abnormal)) / _PAST_SHARE)
    # What does not even stand out without its past needs no past to be damped.
    return median, np.where(np.fmax(up, down) >= FAINT * scale, past, scale), up, down


def _compiled(normal: F64, abnormal: F64) -> tuple[F64, F64, F64, F64]:
    """The same for many series, a few thousand at a time so that they stay in the cache."""
    from rca._deviation_kernel import measure

    q = _PAST_QUANTILE if len(abnormal) > 4 else _PAST_QUANTILE_SHORT
    found = np.empty((4, normal.shape[1]))
    for first in range(0, normal.shape[1], _CHUNK):
        part = slice(first, first + _CHUNK)
        rows = np.ascontiguousarray(normal[:, part].T)
        late = np.ascontiguousarray(abnormal[:, part].T)
        found[:, part] = measure(rows, np.sort(rows, axis=1), late, (q, _PAST_SHARE, FAINT))
    return found[0], found[1], found[2], found[3]


def compile_kernel() -> None:
    """Compile what large cases need, seconds once per installation, so that no incident waits for it."""
    _compiled(np.zeros((8, 1)), np.zeros((2, 1)))


def quantile(values: F64, q: float) -> F64:
    """NaN-aware quantile by nearest rank along axis 0; NaN where a column is empty."""
    if not values.size:
        return np.full(values.shape[1], np.nan)
    ordered = np.sort(values, axis=0)
    count = np.sum(np.isfinite(values), axis=0)
    place = q * np.maximum(count - 1, 0)
    low, high = np.floor(place).astype(np.intp), np.ceil(place).astype(np.intp)
    at = np.arange(values.shape[1])
    result = ordered[low, at] * (1 - (place - low)) + ordered[high, at] * (place - low)
    return np.where(count > 0, result, np.nan)


def _extreme_mean(rise: F64) -> F64:
    """Mean of the largest half of the values of each column: one odd value is not a fault, half of them is."""
    if not rise.size:
        return np.full(rise.shape[1], np.nan)
    ordered = -np.sort(-rise, axis=0)
    count = np.sum(np.isfinite(rise), axis=0)
    keep = np.arange(len(rise))[:, None] < np.maximum(1, (count + 1) // 2)
    total = np.sum(np.where(keep, ordered, 0.0), axis=0)
    return np.where(count > 0, total / np.maximum(1, (count + 1) // 2), np.nan)


def _past_extremes(away: F64, length: int) -> F64:
    windows = len(away) // max(1, length)
    if not length or windows < 4:
        return np.full(away.shape[1], np.nan)
    recent = away[len(away) - windows * length :]
    flat = recent.reshape(windows, length, -1).transpose(1, 0, 2).reshape(length, -1)
    peaks = _extreme_mean(flat).reshape(windows, -1)
    return quantile(peaks, _PAST_QUANTILE if length > 4 else _PAST_QUANTILE_SHORT)


def _is_count(normal: F64) -> Bools:
    # Whole numbers of some size vary at least like a Poisson count; ratios and gauges of 0 and 1 do not.
    whole = np.all((normal == np.rint(normal)) | np.isnan(normal), axis=0)
    return np.asarray(whole & (np.max(np.where(np.isnan(normal), -np.inf, normal), axis=0, initial=-np.inf) > 1))
