"""Columns of one service that differ only by labels, such as one per route: joined into one series."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rca._base import F64
from rca.families import base
from rca.view import CaseView, Places


def closeness(seen: CaseView, metric: str) -> tuple[bool, bool]:
    """Order of metrics by how near they are to the symptom's: the very one, the same but for labels, another."""
    wanted = seen.case.symptom.metric
    return metric != wanted, base(metric) != base(wanted)


def joined(seen: CaseView, rows: F64, chosen: Places, how: Callable[..., F64]) -> F64:
    """Series of the chosen columns, (t, s), each joined with its siblings; NaN where a service has none.

    The symptom's own metric stands alone: with its labels it says exactly what hurts.

    Parameters
    ----------
    how : NaN-aware reduction along axis 1, for rows with some value
    """
    series = (
        np.where(chosen >= 0, rows[:, chosen], np.nan) if rows.shape[1] else np.full((len(rows), len(chosen)), np.nan)
    )
    for owner, places in _siblings(seen, chosen).items():
        part = rows[:, np.array(places, dtype=np.intp)]
        some = np.isfinite(part).any(axis=1)
        series[some, owner] = how(part[some], axis=1)
    return series


def _siblings(seen: CaseView, chosen: Places) -> dict[int, list[int]]:
    distinct = np.unique(seen.kind, return_index=True)[1]
    if all(base(metric) == metric for metric in {seen.columns[i].metric for i in distinct}):
        return {}
    wanted = {
        (owner, base(seen.columns[int(i)].metric))
        for owner, i in enumerate(chosen)
        if i >= 0 and not (owner == seen.symptom and not closeness(seen, seen.columns[int(i)].metric)[0])
    }
    found: dict[int, list[int]] = {}
    for i, column in enumerate(seen.columns):
        if not column.peer and (int(seen.owner[i]), base(column.metric)) in wanted:
            found.setdefault(int(seen.owner[i]), []).append(i)
    return {owner: places for owner, places in found.items() if len(places) > 1}
