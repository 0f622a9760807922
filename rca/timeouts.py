"""Timeouts: a callee that answers late makes its callers fail, though it does not fail itself."""

from __future__ import annotations

import numpy as np

from rca._base import F64
from rca.facts import Facts
from rca.opinion import Opinion, gate

# Limits on waiting are many times the usual time: a callee half as slow again breaks none.
_SLOWER, _SLOW = 2.0, 6.0  # rise in usual times from which, and fully from which, a callee is that late; chosen
_EXCUSED = 0.6  # most of a failing caller's evidence that a late callee takes away; chosen


def timeouts(known: Facts) -> tuple[list[Opinion], F64]:
    """Who answers late without failing while its callers fail, and how far that excuses them, (s,)."""
    seen = known.seen
    with np.errstate(all="ignore"):
        times = np.nan_to_num(known.latency.up / known.latency.median, posinf=0.0)
    late = gate(known.latency.z_up) * np.clip((times - _SLOWER) / (_SLOW - _SLOWER), 0.0, 1.0)
    fails = gate(known.errors.z_up)
    is_late_only = late * (1.0 - fails)
    felt, excused = np.zeros(len(late)), np.zeros(len(late))
    np.maximum.at(felt, seen.callees, fails[seen.callers])
    strength = is_late_only * felt * gate(known.own_latency.z)
    # Lateness runs up the calls, so whoever depends on the late one through late services may be its victim.
    reach = strength.copy()
    for _ in range(_DEPTH):
        np.maximum.at(reach, seen.callers, reach[seen.callees] * late[seen.callers])
    np.maximum.at(excused, seen.callers, _EXCUSED * reach[seen.callees] * fails[seen.callers])
    column = known.series.latency_column
    told = Opinion("timeouts", strength, strength, column, lambda _: _SAID, is_request=True)
    return [told], np.where(strength > 0, 0.0, excused)


_DEPTH = 4  # calls between the late service and a failing one; chosen
_SAID = "it answers late without failing, and those who call it fail"
