"""Many opinions, one order: capped reciprocal-rank fusion.

    weight(s) = sum over e of cap_e * switch_e * gate_e(s) * sqrt(strength_e(s) / max strength_e) * 2 / (2 + rank_e(s))

The first of a clear piece of evidence gets its cap and no more, however loud it is: no single piece can decide against
all others. `switch` is the movement of the symptom for evidence from the call graph; when the symptom hardly moves,
direct evidence ranks alone, and when it does, direct evidence counts half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rca._base import F64
from rca.opinion import Opinion

_DEEPEST = 12  # ranks that count; later ones are noise
_DIRECT_WHEN_SYMPTOM_MOVES = 0.5  # chosen


@dataclass(frozen=True, slots=True)
class Fused:
    """Weight of every service, and what each opinion gave to it.

    Parameters
    ----------
    weight : (s,)
    parts : (opinions, s)
    excused : (s,) share of a service's own evidence that something else explains
    """

    weight: F64
    parts: F64
    excused: F64


def fuse(opinions: Sequence[Opinion], caps: Sequence[float], switch: float, excused: F64) -> Fused:
    """Fuse opinions about the same s services.

    Parameters
    ----------
    caps : most that each opinion can give
    switch : how far the symptom moves, in [0, 1]
    excused : (s,) share of each service's own evidence that something else explains
    """
    parts = [
        cap * _turned(opinion, switch) * _part(opinion) * (1.0 if opinion.is_request else 1.0 - excused)
        for opinion, cap in zip(opinions, caps, strict=True)
    ]
    table = np.array(parts).reshape(len(opinions), len(excused))
    return Fused(np.sum(table, axis=0), table, excused)


def _turned(opinion: Opinion, switch: float) -> float:
    if opinion.is_request:
        return 1.0
    return switch if opinion.needs_symptom else 1.0 - (1.0 - _DIRECT_WHEN_SYMPTOM_MOVES) * switch


def _part(opinion: Opinion) -> F64:
    strength = np.nan_to_num(opinion.strength)
    largest = float(np.max(strength, initial=0.0))
    if largest <= 0:
        return np.zeros(len(strength))
    # Equal strengths share the better rank: which of two equals comes first is not for one opinion to say.
    rank = np.searchsorted(np.sort(-strength), -strength, side="left")
    counts = (strength > 0) & (rank < _DEEPEST)
    return np.where(counts, opinion.gate * np.sqrt(strength / largest) * 2.0 / (2.0 + rank), 0.0)
