"""Peers of the bank, each as a causal score of one series: times in seconds (t,), values (t,) -> oddness (t,)."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
Peer = Callable[[F64, F64], F64]
DAY_S = 86_400.0


def _rows_per(seconds: float, times_s: F64) -> int:
    return max(int(seconds / max(float(np.median(np.diff(times_s))), 1.0)), 10)


def windowed_gaussian(times_s: F64, values: F64) -> F64:
    """Distance from the mean of the last day over its standard deviation."""
    import pandas as pd

    series = pd.Series(values)
    past = series.shift(1).rolling(_rows_per(DAY_S, times_s), min_periods=10)
    mean, deviation = past.mean().to_numpy(), past.std().to_numpy()
    return np.asarray(np.abs(values - mean) / (deviation + 1e-6 * np.abs(mean) + 1e-12))


def seasonal_mad(times_s: F64, values: F64) -> F64:
    """Distance from the value a day ago over the median such distance of the last day."""
    import pandas as pd

    lag = _rows_per(DAY_S, times_s)
    change = pd.Series(values).diff(lag).abs()
    usual = change.shift(1).rolling(lag, min_periods=10).median().to_numpy()
    return np.asarray(change.to_numpy() / (usual + 1e-6 * np.abs(values) + 1e-12))


def isolation_forest(times_s: F64, values: F64) -> F64:
    """IsolationForest over value, change and distance from a short mean; fitted again every week on the last one."""
    import pandas as pd
    from sklearn.ensemble import IsolationForest

    series = pd.Series(values).ffill().fillna(0.0)
    features = np.column_stack([series, series.diff().fillna(0.0), series - series.ewm(span=10).mean()])
    week, out = _rows_per(7 * DAY_S, times_s), np.full(len(values), np.nan)
    for start in range(min(week, len(values) // 7), len(values), week):
        past = features[max(0, start - week) : start]
        forest = IsolationForest(n_estimators=50, random_state=0).fit(past)
        out[start : start + week] = -forest.score_samples(features[start : start + week])
    out[np.isnan(values)] = np.nan
    return out


def holt_winters(times_s: F64, values: F64) -> F64:
    """Holt-Winters with a daily season, fitted again every day on the last week: the forecaster of operators' habit.

    Series of more than 48 rows a day get no opinion: one fit of a season that long takes seconds, and one a day is due.
    """
    import warnings

    import pandas as pd
    from statsmodels.tsa.holtwinters import ExponentialSmoothing

    day = _rows_per(DAY_S, times_s)
    if day > 48:
        return np.full(len(values), np.nan)
    filled = pd.Series(values).ffill().bfill().to_numpy()
    out = np.full(len(values), np.nan)
    for start in range(3 * day, len(values), day):
        past = filled[max(0, start - 7 * day) : start]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns when a fit does not converge; that is part of the peer
            fit = ExponentialSmoothing(past, trend="add", seasonal="add", seasonal_periods=day).fit()
        ahead = fit.forecast(min(day, len(values) - start))
        out[start : start + day] = np.abs(values[start : start + day] - ahead) / (np.std(fit.resid) + 1e-12)
    return out


def river_gaussian(_times_s: F64, values: F64) -> F64:
    """river's GaussianScorer: two-sided tail probability under one Gaussian of all values so far."""
    from river import anomaly

    model, out = anomaly.GaussianScorer(), np.full(len(values), np.nan)
    for row in np.flatnonzero(np.isfinite(values)):
        out[row] = model.score_one(None, values[row])
        model.learn_one(None, values[row])
    return out


def river_trees(_times_s: F64, values: F64) -> F64:
    """river's HalfSpaceTrees on value and change, scaled to 0 to 1 as they come, the way its manual does it."""
    from river import anomaly, compose, preprocessing

    model = compose.Pipeline(preprocessing.MinMaxScaler(), anomaly.HalfSpaceTrees(seed=0))
    out, before = np.full(len(values), np.nan), np.nan
    with np.errstate(invalid="ignore"):  # its scaler divides infinity by infinity at the first row
        for row in np.flatnonzero(np.isfinite(values)):
            features = {"value": values[row], "change": values[row] - before if np.isfinite(before) else 0.0}
            out[row] = model.score_one(features)
            model.learn_one(features)
            before = values[row]
    return out


def light_bank(times_s: F64, values: F64) -> F64:
    """The light bank of this package; rows at which the clock stands still have no score."""
    from detectors import Light

    forward, out = np.r_[True, np.diff(times_s) > 0], np.full(len(values), np.nan)
    said = Light(1).update((times_s[forward] * 1e3).astype(np.int64), values[forward, None])
    out[forward] = said.rarity[:, 0]
    return out


def peers(*, slow: bool) -> dict[str, Peer]:
    """Those at hand: river only where it is installed; the slow ones on request."""
    found: dict[str, Peer] = {
        "light bank": light_bank,
        "windowed Gaussian": windowed_gaussian,
        "seasonal MAD": seasonal_mad,
    }
    found["IsolationForest"] = isolation_forest
    if slow:
        found["Holt-Winters refit"] = holt_winters
    if find_spec("river") is not None:
        found |= {"river GaussianScorer": river_gaussian, "river HalfSpaceTrees": river_trees}
    return found
