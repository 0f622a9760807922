"""Change events: who was touched shortly before it began.

Most deploys are harmless, and around every incident there are some. A change therefore counts only as far as its own
service deviates by itself, decays with its age, and can decide between otherwise equal suspects but never alone.
"""

from __future__ import annotations

import math

import numpy as np

from rca._base import F64, CauseKind, Change
from rca.opinion import Opinion
from rca.units import duration
from rca.view import CaseView

_WEIGHTS = {"deploy": 1.0, "config": 1.0, "restart": 0.4, "scale": 0.4}  # chosen: restarts and scaling are routine
_OTHER_WEIGHT = 0.3
_FRESH_S = 300.0
_HALF_WAY_S = 600.0  # e-folding time of suspicion after the fresh minutes; chosen
_OLDEST_S = 3600.0
CAUSES: dict[str, CauseKind] = {"deploy": "deploy", "config": "config", "scale": "scaling"}
"""Kind of cause that a kind of change is; a restart is more often an effect."""


def suspicion(change: Change, onset_ms: int, step_s: float) -> float:
    """How suspicious a change is by its kind and age alone, in [0, 1].

    Later than two steps after the onset (clocks and steps are not exact) it is no cause.

    >>> round(suspicion(Change(0, "cart", "deploy"), onset_ms=900_000, step_s=60.0), 2)
    0.37
    """
    age_s = (onset_ms - change.time_ms) / 1000
    if age_s < -2 * step_s or age_s > _OLDEST_S:
        return 0.0
    return _WEIGHTS.get(change.kind, _OTHER_WEIGHT) * math.exp(-max(0.0, age_s - _FRESH_S) / _HALF_WAY_S)


def likeliest_changes(seen: CaseView) -> dict[int, tuple[float, Change]]:
    """The most suspicious change of each known service; of equal ones the latest."""
    case, at = seen.case, {service: place for place, service in enumerate(seen.services)}
    found: dict[int, tuple[float, Change]] = {}
    for change in sorted(case.changes):
        size = suspicion(change, case.trigger_ms, case.step_s)
        if change.service in at and size > 0 and size >= found.get(at[change.service], (0.0, change))[0]:
            found[at[change.service]] = (size, change)
    return found


def _told(change: Change, age_s: float) -> str:
    """What changed and when, as far as clocks and steps can tell.

    >>> _told(Change(0, "cart", "deploy", "cart 2.1"), 40.0), _told(Change(0, "cart", "restart"), -5.0)
    ('deploy 40 s before it began (cart 2.1)', 'restart when it began')
    """
    when = f"{duration(age_s)} before it began" if age_s >= 1 else "when it began"
    return f"{change.kind} {when}" + (f" ({change.description})" if change.description else "")


def changes(seen: CaseView, odd: F64) -> Opinion:
    """Suspicion of changes, weighed by how odd each service is by itself.

    Parameters
    ----------
    odd : (s,) in [0, 1]
    """
    found = likeliest_changes(seen)
    strength = np.zeros(len(seen.services))
    text: dict[int, str] = {}
    for place, (size, change) in found.items():
        strength[place] = size * odd[place]
        if strength[place] > 0:
            text[place] = _told(change, (seen.case.trigger_ms - change.time_ms) / 1000)
    return Opinion("change", strength, strength, np.full(len(strength), -1, dtype=np.intp), lambda s: text.get(s, ""))
