"""What the queries of `promql.py` compute, on arrays: for samples that are pushed instead of pulled."""

from __future__ import annotations

import numpy as np

from aiops.model import F64
from aiops.packs._recipe import Recipe


def signal_values(recipe: Recipe, of: F64, to: F64 | None = None) -> F64:
    """The signal of each group, in its unit.

    Parameters
    ----------
    of : any shape; per group the sum of rates per second, or the joined gauges; NaN = no series.
        For form `quantile` the quantile itself, from `bucket_quantile`.
    to : same shape, the denominator; for form `quantile` requests per second. Forms `gauge` and `rate` have none.

    Returns
    -------
    Same shape; NaN where the denominator is missing, not above 0 or below the signal's `min_traffic`. A `ratio`
    without any `of` series is 0 there.

    Raises
    ------
    ValueError : `to` is missing for a form that needs it

    >>> from aiops.model import Signal
    >>> from aiops.packs import Selector
    >>> errors = Signal("error_ratio", "errors", min_traffic=0.5)
    >>> recipe = Recipe("p", errors, "ratio", Selector("errors_total"), Selector("requests_total"))
    >>> signal_values(recipe, np.array([1.0, np.nan, 1.0]), np.array([4.0, 4.0, 0.1]))
    array([0.25, 0.  ,  nan])
    """
    if recipe.form in ("gauge", "rate"):
        return of * recipe.scale
    if to is None:
        raise ValueError(f"form {recipe.form} of {recipe.signal.name} needs a denominator")
    heard = enough_traffic(recipe, to)
    if recipe.form == "quantile":
        return np.where(heard, of * recipe.scale, np.nan)
    above = np.where(np.isnan(of), 0.0, of) if recipe.form == "ratio" else of
    quotient: F64 = np.full(np.shape(to), np.nan)
    np.divide(above, to, out=quotient, where=heard)
    return quotient * recipe.scale


def enough_traffic(recipe: Recipe, per_s: F64) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Tell where a denominator is worth dividing by; NaN is not."""
    if recipe.form == "level_ratio" or not recipe.signal.min_traffic:
        return per_s > 0
    return per_s >= recipe.signal.min_traffic


def bucket_quantile(q: float, bounds: F64, counts: F64) -> F64:
    """Quantiles of classic histograms, interpolated as Prometheus' `histogram_quantile` does.

    Parameters
    ----------
    q : in (0, 1)
    bounds : (b,) upper bounds, increasing, the last +Inf
    counts : (..., b) cumulative counts or rates; NaN = no series for that bound

    Returns
    -------
    (...) the quantile in the unit of `bounds`; the highest finite bound where it lies above; NaN without observations,
    without the +Inf bucket or with less than two buckets

    >>> bucket_quantile(0.5, np.array([0.1, 0.2, np.inf]), np.array([[2.0, 4.0, 4.0], [0.0, 0.0, 0.0]]))
    array([0.1, nan])
    """
    flat = np.atleast_2d(np.asarray(counts, dtype=np.float64).reshape(-1, len(bounds)))
    result = np.array([_row_quantile(q, bounds, row) for row in flat])
    return result.reshape(np.shape(counts)[:-1])


def _row_quantile(q: float, bounds: F64, counts: F64) -> float:
    known = ~np.isnan(counts)
    if known.sum() < 2 or not known[-1] or not np.isposinf(bounds[-1]):
        return float("nan")
    # Scrapes of one histogram can be torn: Prometheus makes the counts monotonic first.
    upper, total = bounds[known], np.maximum.accumulate(counts[known])
    if total[-1] <= 0:
        return float("nan")
    rank = q * total[-1]
    b = int(np.searchsorted(total[:-1], rank, side="left"))
    if b == len(total) - 1:
        return float(upper[-2])
    if b == 0:
        low, below = (0.0, 0.0) if upper[0] > 0 else (upper[0], 0.0)
    else:
        low, below = upper[b - 1], total[b - 1]
    inside = total[b] - below
    return float(low + (upper[b] - low) * ((rank - below) / inside)) if inside > 0 else float(upper[b])
