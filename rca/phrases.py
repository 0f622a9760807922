"""Sentences about columns, with their numbers."""

from __future__ import annotations

import numpy as np

from rca.view import CaseView


def movement(seen: CaseView, column: int) -> str:
    """How a column moved: "latency_p95 rose from 0.12 to 0.8, 14 times its usual variation".

    A call's column is named with its ends.
    """
    what, moved = seen.columns[column], seen.moved
    up = moved.z_up[column] >= moved.z_down[column]
    after = moved.median[column] + (moved.up[column] if up else -moved.down[column])
    name = f"{what.metric} of the call {what.service} > {what.peer}" if what.peer else what.metric
    times = float(moved.z[column])
    size = f"{number(times)} times its usual variation" if times < 1000 else "far beyond its usual variation"
    return f"{name} {'rose' if up else 'fell'} from {number(moved.median[column])} to {number(after)}, {size}"


def number(value: float) -> str:
    """Three significant digits, without an exponent where a person would not use one.

    >>> number(0.123456), number(1234567.0), number(12.0)
    ('0.123', '1230000', '12')
    """
    if not np.isfinite(value) or value == 0:
        return "0" if value == 0 else "unknown"
    size = int(np.floor(np.log10(abs(value))))
    if size < -4 or size > 12:
        return f"{value:.2e}"
    rounded = round(float(value), 2 - size)
    return f"{rounded:.{max(0, 2 - size)}f}".rstrip("0").rstrip(".") if size < 2 else f"{rounded:.0f}"


def numbers_of(seen: CaseView, column: int) -> tuple[tuple[str, float], ...]:
    """Normal value, abnormal value and deviation of a column, for machines."""
    moved = seen.moved
    up = moved.z_up[column] >= moved.z_down[column]
    after = moved.median[column] + (moved.up[column] if up else -moved.down[column])
    found = (("normal", moved.median[column]), ("abnormal", after), ("scales", moved.z[column]))
    return tuple((name, round(float(value), 6)) for name, value in found if np.isfinite(value))
