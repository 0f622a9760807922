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


def _river(name: str) -> Peer:
    def score(_times_s: F64, values: F64) -> F64:
        from river import anomaly

        model = anomaly.GaussianScorer(window_size=None) if name == "gaussian" else anomaly.HalfSpaceTrees(seed=0)
        out = np.full(len(values), np.nan)
        for row, value in enumerate(values):
            if np.isfinite(value):
                arguments = (None, value) if name == "gaussian" else ({"x": value},)
                out[row] = model.score_one(*arguments)
                model.learn_one(*arguments)
        return out

    return score


def peers(*, slow: bool) -> dict[str, Peer]:
    """Those at hand: river only where it is installed; the slow ones on request."""
    found: dict[str, Peer] = {"windowed Gaussian": windowed_gaussian, "seasonal MAD": seasonal_mad}
    found["IsolationForest"] = isolation_forest
    if slow:
        found["Holt-Winters refit"] = holt_winters
    if find_spec("river") is not None:
        found |= {"river GaussianScorer": _river("gaussian"), "river HalfSpaceTrees": _river("trees")}
    return found
