"""Anomaly traversal: from the symptom along calls to deviating callees; where it ends, the trouble begins."""

from __future__ import annotations

import numpy as np

from rca._base import F64
from rca.opinion import level
from rca.view import CaseView, Places

ANOMALOUS = 3.0  # scales; chosen between the faintest true callee and the noise of healthy ones
_ON_THE_WAY = 0.4  # chosen: reached, but with a deviating callee below


def traverse(seen: CaseView, z: F64) -> F64:
    """Strength per service: leaves of the walk by deviation, services on the way less, others none.

    Parameters
    ----------
    z : (s,) rise of the symptom's kind of metric, in scales; NaN = no opinion
    """
    odd = np.nan_to_num(z) > ANOMALOUS
    odd[seen.symptom] = True
    reached = _walk(seen, odd)
    deeper = np.zeros(len(odd), dtype=np.bool_)
    inside = reached[seen.callers] & reached[seen.callees]
    deeper[seen.callers[inside]] = True
    size = 0.5 + np.minimum(level(z), 3.0) / 6.0
    return np.where(reached, np.where(deeper, _ON_THE_WAY, 1.0) * size, 0.0)


def _walk(seen: CaseView, odd: np.ndarray) -> np.ndarray:
    from rca.view import reach

    keep = odd[seen.callers] & odd[seen.callees]
    ends: tuple[Places, Places] = (seen.callers[keep], seen.callees[keep])
    return reach(len(odd), *ends, seen.symptom)
