"""What one piece of evidence says about every service, and how strengths are bounded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from rca._base import F64, CauseKind
from rca.deviation import FAINT
from rca.view import Places

CLEAR = 4.5  # scales above which a deviation counts fully


Numbers: TypeAlias = tuple[tuple[str, float], ...]


def silent(_: int) -> str:
    """Nothing worth telling."""
    return ""


def numberless(_: int) -> Numbers:
    """No numbers."""
    return ()


@dataclass(frozen=True, slots=True)
class Opinion:
    """One piece of evidence about all services.

    Parameters
    ----------
    kind : name of the evidence
    strength : (s,) finite, >= 0; its order and its size relative to the largest count, its unit does not
    gate : (s,) in [0, 1]: how far the evidence is above noise
    column : (s,) place of the column that shows it best, -1 = none
    tell : one sentence about a service, without its name; "" = not worth telling
    numbers : what the sentence rests on
    needs_symptom : evidence from the call graph: it counts as far as the symptom itself moves
    is_request : it is about requests or life and death, and counts fully whether or not the symptom moves
    cause : kind of cause it speaks for
    """

    kind: str
    strength: F64
    gate: F64
    column: Places
    tell: Callable[[int], str] = silent
    numbers: Callable[[int], Numbers] = numberless
    needs_symptom: bool = False
    is_request: bool = False
    cause: CauseKind = "unknown"


def gate(z: F64) -> F64:
    """How far deviations are above noise: 0 below 1.5 scales, 1 above 4.5 (measured on public cases).

    >>> import numpy as np
    >>> gate(np.array([1.0, 3.0, 9.0, np.nan])).tolist()
    [0.0, 0.5, 1.0, 0.0]
    """
    return np.nan_to_num(np.clip((z - FAINT) / (CLEAR - FAINT), 0.0, 1.0))


def level(z: F64) -> F64:
    """Compressed deviation, 0 for none: ten times the scales is not ten times the evidence.

    >>> import numpy as np
    >>> level(np.array([-1.0, 0.0, 5.154845, np.nan])).round(3).tolist()
    [0.0, 0.0, 1.0, 0.0]
    """
    return np.asarray(np.log1p(np.maximum(0.0, np.nan_to_num(z)) / 3.0))


def scales(strength: F64) -> F64:
    """The deviation whose `level` this is."""
    return np.asarray(3.0 * np.expm1(strength))
