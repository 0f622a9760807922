"""Onset order: whose trouble began clearly before the symptom's, and whose clearly after it.

A series begins to deviate at the first row outside of its normal band from which most of the next rows stay outside.
That is known to one step either way, so two onsets one step apart are told apart by nothing: only what exceeds it
counts. Rows shortly before the trigger, which are compared with nothing else, are looked at here, for slow triggers.
"""

from __future__ import annotations

import numpy as np

from rca._base import F64
from rca.facts import Facts
from rca.opinion import Opinion, gate
from rca.units import duration
from rca.view import CaseView

_BAND = 3.0  # scales beyond which a value is out of its normal band; chosen
_STAYS = 3  # rows of which most must be outside; chosen
_LOOK_BACK_S = 900.0  # how long a trigger may be late; chosen
_UNSURE_STEPS = 1.0
_CLEAR_STEPS = 4.0  # from which an order in time is certain; chosen
_ODD = 0.5  # gate from which a series has an onset; chosen
_EXCUSED = 0.3  # most of a later service's evidence that the order takes away; chosen: effects can be measured late
_FAMILIES = frozenset({"latency", "errors", "availability", "gap"})


def onset_order(known: Facts) -> tuple[list[Opinion], F64]:
    """Who began before the symptom, and how far beginning after it excuses each service, (s,); nothing in a calm."""
    began = onsets(known)
    step_ms = max(known.seen.case.step_s * 1000, 1.0)
    lead = (began[known.seen.symptom] - began) / step_ms
    lead = np.where(np.isfinite(lead), lead, 0.0)
    early = np.clip((lead - _UNSURE_STEPS) / (_CLEAR_STEPS - _UNSURE_STEPS), 0.0, 1.0) * known.felt
    late = np.clip((-lead - _UNSURE_STEPS) / (_CLEAR_STEPS - _UNSURE_STEPS), 0.0, 1.0)

    def tell(s: int) -> str:
        ahead = duration(float(lead[s]) * step_ms / 1000)
        return f"its trouble began {ahead} before the symptom's" if early[s] > 0 else ""

    column = np.full(len(lead), -1, dtype=np.intp)
    return [Opinion("onset order", early, early, column, tell, needs_symptom=True)], _EXCUSED * late * known.switch


def onsets(known: Facts) -> F64:
    """When the requests of each service began to go wrong, (s,) unix ms; NaN = they did not, or nobody knows."""
    seen = known.seen
    odd = np.flatnonzero(gate(known.bad) >= _ODD)
    chosen = [int(i) for i in odd if seen.meanings[i].family in _FAMILIES and not seen.meanings[i].is_host]
    began = np.full(len(seen.services), np.nan)
    times, values = _recent(seen, chosen)
    for k, i in enumerate(chosen):
        place = int(seen.peer[i] if seen.peer[i] >= 0 else seen.owner[i])
        out = np.abs(values[:, k] - seen.moved.median[i]) > _BAND * seen.moved.scale[i]
        first = _first_lasting(out)
        if first >= 0:
            began[place] = np.fmin(began[place], float(times[first]))
    return began


def _recent(seen: CaseView, chosen: list[int]) -> tuple[F64, F64]:
    """Times and the chosen columns of all rows from shortly before the trigger, in order of time."""
    case = seen.case
    order = np.argsort(case.times, kind="stable")
    order = order[case.times[order] >= case.trigger_ms - 1000 * _LOOK_BACK_S]
    return case.times[order].astype(np.float64), case.values[np.ix_(order, seen.order[chosen])]


def _first_lasting(out: np.ndarray) -> int:
    """First row outside from which most of the next rows are outside too, -1 = none."""
    for row in np.flatnonzero(out):
        window = out[row : row + _STAYS]
        if 2 * int(np.sum(window)) > len(window):
            return int(row)
    return -1
