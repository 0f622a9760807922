"""A second look at one signal, once something is suspected: what a forecast would have said.

The model is chosen by fixed rules: an autoregression [1] fitted by least squares on the normal rows, spikes clipped; on
what STL [2] leaves when the rows hold two days and a daily season shows in them; the last level when the fit would run
away; the constant when there is nothing else. The band is not the model's own: it holds the errors which the same model
makes at the same distance inside the normal rows, so heavy tails and earlier jumps widen it.

statsmodels is imported when a forecast is asked for.

References
----------
[1] Hyndman, Athanasopoulos (2021), Forecasting: Principles and Practice, 3rd edition, chapters 5.5, 9.3.
[2] Cleveland et al. (1990), STL.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from detectors._base import F64, I64

Bools: TypeAlias = NDArray[np.bool_]

Verdict = Literal["confirms", "doubts", "no opinion"]

MIN_ROWS = 30  # chosen: fewer errors make no band
MAX_ROWS = 4000  # chosen: the latest ones; bounds the cost
MAX_MISSING = 1 / 3  # of the rows, chosen
FIRST_ROWS = 12  # chosen: a forecast is asked about the beginning of an incident
MAX_AHEAD = 60  # rows, chosen: beyond, the band says little
MIN_JUDGED = 3  # abnormal rows, chosen: the default needs three rows for an anomaly, too
TAIL = 0.01  # of the errors lies outside on each side, chosen
CONFIRM_SHARE, DOUBT_SHARE = 0.5, 0.1  # of the judged rows outside, chosen
MAX_LAGS, ROWS_PER_LAG = 10, 20  # chosen: keeps the errors of the fit near those of a forecast
DAY_MS = 86_400_000
PERIOD_ROWS = (12, 1440)  # a day in rows; finer steps cost more than they tell
SEASONAL = 0.3  # correlation of a day with the day before that is worth using; chosen
SPIKE_WINDOW, SPIKE_SIGMAS = 7, 6.0  # rows and robust standard deviations, chosen
MAD_TO_SIGMA = 1.4826  # of a normal distribution
HUGE = 1e150  # above, squares would overflow


@dataclass(frozen=True, slots=True)
class ForecastOpinion:
    """What a forecast says about suspected rows.

    Parameters
    ----------
    verdict : `confirms` = most judged rows lie outside the band; `doubts` = hardly any does; else `no opinion`
    expected, lower, upper : forecast and band at the first judged row; NaN = no forecast
    outside, judged : rows outside their bands, of so many
    model : what made the forecast
    text : all this in one sentence, or why there is no opinion
    """

    verdict: Verdict
    expected: float
    lower: float
    upper: float
    outside: int
    judged: int
    model: str
    text: str


@dataclass(frozen=True, slots=True)
class _Model:
    """y[t] = constant + sum(weights[i] * y[t - 1 - i]), on top of a season (one value per row of a day)."""

    name: str
    constant: float
    weights: F64
    season: F64


def forecast_opinion(
    times: I64, values: F64, abnormal: Bools, step_s: float, say: Callable[[float], str] = "{:.3g}".format
) -> ForecastOpinion:
    """Forecast the suspected rows of a signal from its normal ones and compare.

    Limits: a band of a few hundred errors knows nothing rarer than they show; a signal that was as wild before is
    doubted, rightly or not.

    Parameters
    ----------
    times : (t,) unix ms, increasing
    values : (t,) NaN = missing; gaps between normal rows are bridged by straight lines
    abnormal : (t,) True = suspected; normal rows after the first of them are not used
    step_s : usual distance of rows, seconds
    say : writes a value for `text`, with its unit if it has one

    Raises
    ------
    ValueError : shapes differ or the step is not positive

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> values = 0.25 + 0.02 * rng.standard_normal(366)
    >>> values[360:] += [0, 0.3, 0.3, 0.3, 0.3, 0.3]
    >>> opinion = forecast_opinion(np.arange(366) * 60_000, values, np.arange(366) >= 360, 60.0)
    >>> opinion.text
    'a forecast from the 6 h before expected 0.194 to 0.291; 5 of 6 rows lie outside: confirms'
    """
    times, abnormal = np.asarray(times, np.int64), np.asarray(abnormal, np.bool_)
    values = np.asarray(values, np.float64)
    if not times.shape == values.shape == abnormal.shape or times.ndim != 1 or not step_s > 0.0:
        raise ValueError(f"{times.shape}, {values.shape}, {abnormal.shape} must be equal (t,), step {step_s} > 0")
    known = np.isfinite(values) & (np.abs(values) < HUGE)
    before = known & ~abnormal & (times < (times[abnormal].min() if abnormal.any() else 0))
    if before.sum() < MIN_ROWS:
        return _none(f"no opinion: only {before.sum()} normal rows")
    grid, seen = _grid(times[before], values[before], step_s * 1000.0)
    if 1.0 - seen.mean() > MAX_MISSING or seen.sum() < MIN_ROWS:
        return _none(f"no opinion: {1.0 - seen.mean():.0%} of the rows before are missing")
    now = np.flatnonzero(known & abnormal)[:FIRST_ROWS]
    ahead = np.rint((times[now] - times[before][-1]) / (step_s * 1000.0)).astype(np.int64)
    now, ahead = now[(ahead >= 1) & (ahead <= MAX_AHEAD)], ahead[(ahead >= 1) & (ahead <= MAX_AHEAD)]
    if len(now) < MIN_JUDGED:
        return _none(f"no opinion: only {len(now)} rows to judge")
    model = _model(grid, round(DAY_MS / (step_s * 1000.0)))
    if model is None:
        return _none("no opinion: no model fits")
    return _judged(values[now], _bands(model, grid, seen, ahead), model.name, (len(grid) - 1) * step_s, say)


def _grid(times: I64, values: F64, step_ms: float) -> tuple[F64, Bools]:
    """Rows at equal distances, gaps bridged, and which were there."""
    rows = np.rint((times - times[-1]) / step_ms).astype(np.int64)
    rows, values = rows[rows > -MAX_ROWS], values[rows > -MAX_ROWS]
    grid = np.arange(rows[0], 1)
    seen = np.isin(grid, rows)
    return np.interp(grid, rows, values), seen


def _model(grid: F64, period: int) -> _Model | None:
    if np.ptp(grid) <= 1e-12 * np.abs(grid).max():
        return _Model("constant", float(grid[-1]), np.zeros(1), np.zeros(1))
    calm = _without_spikes(grid)
    season = _season(calm, period) if PERIOD_ROWS[0] <= period <= min(PERIOD_ROWS[1], len(grid) // 2) else np.zeros(1)
    rest = calm - np.resize(season, len(calm))
    lags = max(1, min(MAX_LAGS, len(rest) // ROWS_PER_LAG))
    fit = _autoregression(rest, lags)
    if fit is None:
        return None
    name = "autoregression" if len(season) == 1 else "daily season and autoregression"
    if not _is_stable(fit[1:]):
        return _Model("last level", 0.0, np.eye(1, lags)[0], season)
    return _Model(name, float(fit[0]), fit[1:], season)


def _without_spikes(grid: F64) -> F64:
    half = SPIKE_WINDOW // 2
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(grid, half, mode="edge"), SPIKE_WINDOW)
    middle: F64 = np.median(windows, axis=1)
    room = SPIKE_SIGMAS * MAD_TO_SIGMA * float(np.median(np.abs(grid - middle)))
    return np.clip(grid, middle - room, middle + room) if room > 0.0 else grid


def _season(calm: F64, period: int) -> F64:
    """The latest daily pattern, aligned with the first row; a single zero where none shows."""
    from statsmodels.tsa.seasonal import STL

    # Days count alike: a pattern that follows each single day would make noise look like a season.
    parts = STL(calm, period=period, seasonal=10 * (len(calm) // period) + 1, seasonal_deg=0).fit()
    level_free = calm - np.asarray(parts.trend)
    today, yesterday = level_free[period:], level_free[:-period]
    power = float(np.sqrt((today @ today) * (yesterday @ yesterday)))
    if not today @ yesterday >= SEASONAL * power > 0.0:
        return np.zeros(1)
    season = np.asarray(parts.seasonal, np.float64)
    latest = len(calm) - period
    return np.roll(season[latest:], latest % period)


def _autoregression(rest: F64, lags: int) -> F64 | None:
    """The constant and the weights, latest row first; None = it cannot be fitted."""
    from statsmodels.tsa.ar_model import AutoReg

    scale = float(np.abs(rest).max())
    if scale == 0.0:
        return np.zeros(1 + lags)
    # A fit that warns is not trusted. Recorded, not raised: other threads may warn meanwhile.
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            fit = np.array(AutoReg(rest / scale, lags=lags, trend="c").fit().params, np.float64)
        except (ValueError, np.linalg.LinAlgError):
            return None
    if said or not np.isfinite(fit).all():
        return None
    fit[0] *= scale
    return fit


def _is_stable(weights: F64) -> bool:
    companion = np.eye(len(weights), k=-1)
    companion[0] = weights
    return bool(np.abs(np.linalg.eigvals(companion)).max() <= 1.0)


def _bands(model: _Model, grid: F64, seen: Bools, ahead: I64) -> F64:
    """Forecast, lower and upper bound at each distance in `ahead`: (3, a), NaN where too few errors are known."""
    lags, rows = len(model.weights), len(grid)
    season = np.resize(model.season, rows + MAX_AHEAD)
    rest = _without_spikes(grid) - season[:rows]
    # One line per origin, latest row first; the last line is the origin we forecast from.
    known = np.lib.stride_tricks.sliding_window_view(rest, lags)[:, ::-1]
    origins = np.arange(lags - 1, rows)
    factor = _honest(rows, lags, len(model.season))
    bands = np.full((3, len(ahead)), np.nan)
    for distance in range(1, int(ahead.max()) + 1):
        forecast = model.constant + known @ model.weights
        known = np.column_stack([forecast, known[:, :-1]])
        if distance not in ahead:
            continue
        target = origins + distance
        inside = np.flatnonzero(target < rows)
        inside = inside[seen[target[inside]]]
        errors = grid[target[inside]] - season[target[inside]] - forecast[inside]
        expected = forecast[-1] + season[target[-1]]
        if len(errors) >= MIN_ROWS // 2:
            low, high = factor * np.quantile(errors, [TAIL, 1.0 - TAIL])
            bands[:, ahead == distance] = [[expected], [expected + min(low, 0.0)], [expected + max(high, 0.0)]]
    return bands


def _honest(rows: int, lags: int, period: int) -> float:
    """By how much errors of a forecast exceed those inside the rows that taught the model (final prediction error)."""
    factor = math.sqrt((rows + lags + 1) / (rows - lags - 1))
    days = rows / period
    return factor * (math.sqrt((days + 1.0) / (days - 1.0)) if period > 1 else 1.0)


def _judged(values: F64, bands: F64, model: str, span_s: float, say: Callable[[float], str]) -> ForecastOpinion:
    has = np.isfinite(bands[0])
    if has.sum() < MIN_JUDGED:
        return _none("no opinion: the incident began too long after the last normal row")
    values, (expected, lower, upper) = values[has], bands[:, has]
    # What differs by less than the digits we print is no deviation; this matters for constants.
    slack = 0.005 * np.abs(expected)
    outside, judged = int(((values < lower - slack) | (values > upper + slack)).sum()), len(values)
    verdict = _verdict(outside, judged)
    text = (
        f"a forecast from the {_span(span_s)} before expected {say(lower[0])} to {say(upper[0])}; "
        f"{outside} of {judged} rows lie outside: {verdict}"
    )
    return ForecastOpinion(verdict, float(expected[0]), float(lower[0]), float(upper[0]), outside, judged, model, text)


def _verdict(outside: int, judged: int) -> Verdict:
    if outside >= CONFIRM_SHARE * judged:
        return "confirms"
    return "doubts" if outside <= DOUBT_SHARE * judged else "no opinion"


def _span(span_s: float) -> str:
    for size_s, unit in ((86_400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if span_s >= 1.5 * size_s:
            return f"{span_s / size_s:.0f} {unit}"
    return f"{span_s:.0f} s"


def _none(text: str) -> ForecastOpinion:
    nan = float("nan")
    return ForecastOpinion("no opinion", nan, nan, nan, 0, 0, "none", text)
