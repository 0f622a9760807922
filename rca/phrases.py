"""Sentences about columns, with their numbers."""

from __future__ import annotations

import numpy as np

from rca.units import amount, number
from rca.view import CaseView


def movement(seen: CaseView, column: int) -> str:
    """How a column moved: "latency_p95 rose from 120 ms to 800 ms, 14 times its usual variation".

    A call's column is named with its ends.
    """
    what, moved = seen.columns[column], seen.moved
    up = moved.z_up[column] >= moved.z_down[column]
    after = moved.median[column] + (moved.up[column] if up else -moved.down[column])
    name = f"{what.metric} of the call {what.service} > {what.peer}" if what.peer else what.metric
    times = float(moved.z[column])
    size = f"{number(times)} times its usual variation" if times < 1000 else "far beyond its usual variation"
    before = amount(what.metric, moved.median[column])
    return f"{name} {'rose' if up else 'fell'} from {before} to {amount(what.metric, after)}, {size}"


def numbers_of(seen: CaseView, column: int) -> tuple[tuple[str, float], ...]:
    """Normal value, abnormal value and deviation of a column, for machines."""
    moved = seen.moved
    up = moved.z_up[column] >= moved.z_down[column]
    after = moved.median[column] + (moved.up[column] if up else -moved.down[column])
    found = (("normal", moved.median[column]), ("abnormal", after), ("scales", moved.z[column]))
    return tuple((name, round(float(value), 6)) for name, value in found if np.isfinite(value))
