"""Refused calls: nearly all calls of one service fail at once, quickly, and nothing of it is overloaded.

That is how an expired certificate, a used-up quota or a withdrawn right looks: the service lives, answers faster than
ever, and says no. A crash is silent, an overload is slow, broken code fails for some requests only.
"""

from __future__ import annotations

import numpy as np

from rca._base import Bools
from rca.deviation import quantile
from rca.direct import family_columns, joined
from rca.facts import Facts
from rca.opinion import CLEAR, Opinion, gate
from rca.silence import MOST, lost_share
from rca.unseen import RESOURCES

_NEARLY_ALL, _HARDLY_ANY = 0.9, 0.1  # of the calls, after and before; chosen
_FIRST_ROWS = 2  # abnormal rows within which it must have happened: it is sudden
_ODD = 0.5  # gate from which a resource or a latency deviates; chosen


def refused(known: Facts) -> Opinion:
    """Whose calls are refused, (s,), 0 or 1."""
    seen, errors, split = known.seen, known.series.errors, known.series.split
    before, after = quantile(errors[:split], 0.5), quantile(errors[split:], 0.5)
    early = quantile(errors[split : split + _FIRST_ROWS], 1.0)
    with np.errstate(invalid="ignore"):
        sudden = (before <= _HARDLY_ANY) & (after >= _NEARLY_ALL) & (early >= _NEARLY_ALL)
    overloaded = gate(joined(seen, family_columns(seen, RESOURCES), known.bad).z) >= _ODD
    alive = np.zeros(len(sudden), dtype=np.bool_)
    alive[seen.owner] = True
    alive &= lost_share(known)[0] < MOST
    # Of a chain of failing services only the last one refuses.
    is_last = np.ones(len(sudden), dtype=np.bool_)
    is_last[seen.callers[gate(known.errors.z_up)[seen.callees] >= _ODD]] = False
    strength = (sudden & ~overloaded & alive & is_last & _answers_faster(known)).astype(np.float64)

    def tell(s: int) -> str:
        return (
            f"{after[s]:.0%} of its calls fail since it began, faster than they used to succeed" if strength[s] else ""
        )

    column = known.series.errors_column
    return Opinion("refused calls", strength, strength, column, tell, is_request=True, cause="certificate or quota")


def _answers_faster(known: Facts) -> Bools:
    """Some latency of the service or of the calls to it fell clearly, and none rose, (s,)."""
    seen = known.seen
    fell, rose = np.zeros(len(seen.services), dtype=np.bool_), np.zeros(len(seen.services), dtype=np.bool_)
    latencies = seen.which(lambda what: what.family == "latency" and not what.is_host)
    # What a service measures of its own calls says nothing of how it answers.
    place = np.where(seen.peer >= 0, seen.peer, seen.owner)
    fell[place[latencies & (np.nan_to_num(seen.moved.z_down) >= CLEAR)]] = True
    rose[place[latencies & (gate(seen.moved.z_up) >= _ODD)]] = True
    return fell & ~rose
