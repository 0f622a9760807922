"""Correlation: whose series moves as the symptom's does."""

from __future__ import annotations

import numpy as np

from rca._base import F64

MIN_ROWS = 8  # chosen: a correlation of fewer rows is chance


def correlation(series: F64, with_series: F64) -> F64:
    """|Pearson correlation| of each column with one series over the rows both have; 0 where there is no opinion.

    >>> import numpy as np
    >>> x = np.arange(10.0)
    >>> correlation(np.column_stack([x, -x, np.ones(10)]), x).round(2).tolist()
    [1.0, 1.0, 0.0]
    """
    both = np.isfinite(series) & np.isfinite(with_series)[:, None]
    count = np.sum(both, axis=0)
    left = np.where(both, series, 0.0)
    right = np.where(both, np.nan_to_num(with_series)[:, None], 0.0)
    left = np.where(both, left - np.sum(left, axis=0) / np.maximum(count, 1), 0.0)
    right = np.where(both, right - np.sum(right, axis=0) / np.maximum(count, 1), 0.0)
    size = np.sqrt(np.sum(left**2, axis=0) * np.sum(right**2, axis=0))
    known = (count >= MIN_ROWS) & (size > 0)
    return np.where(known, np.abs(np.sum(left * right, axis=0)) / np.where(known, size, 1.0), 0.0)
