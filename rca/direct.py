"""Direct evidence: what a service's own metrics say, whoever calls it, by metric family."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from rca._base import F64
from rca.families import words
from rca.opinion import level, scales
from rca.view import CaseView, Places

# Directions of the same flow: read and write together are one thing, like p50 and p99.
_STATISTIC_WORDS = frozenset({"mean", "avg", "average", "max", "rx", "tx", "read", "write", "receive", "transmit"})


@dataclass(frozen=True, slots=True)
class Direct:
    """Deviation that stands for several columns of a service.

    Parameters
    ----------
    z : (s,) scales, 0 = none
    column : (s,) place of the column with the largest deviation, -1 = none
    """

    z: F64
    column: Places


def badness(seen: CaseView) -> F64:
    """How far each column moved in its bad direction, (n,) scales; NaN = no opinion."""
    up, down = seen.moved.z_up, seen.moved.z_down
    bad = np.array([what.bad for what in seen.meanings], dtype="U4")
    return np.where(bad == "up", up, np.where(bad == "down", down, np.fmax(up, down)))


def family_columns(seen: CaseView, families: frozenset[str]) -> Places:
    """Places of the services' own columns of some families; what measures a shared machine is left out."""
    found = [i for i, what in enumerate(seen.meanings) if what.family in families and not what.is_host]
    return np.array([i for i in found if seen.peer[i] < 0], dtype=np.intp)


def joined(seen: CaseView, chosen: Places, bad: F64) -> Direct:
    """Per service the strongest thing measured; statistics of one thing are averaged, not maximised."""
    count = len(seen.services)
    strength, column = np.zeros(count), np.full(count, -1, dtype=np.intp)
    known = chosen[np.isfinite(bad[chosen])]
    names = [_thing(seen.columns[i].metric) for i in known]
    number = {name: place for place, name in enumerate(sorted(set(names)))}
    things = max(1, len(number))
    key = seen.owner[known] * things + np.array([number[name] for name in names], dtype=np.intp)
    keys, thing_of = np.unique(key, return_inverse=True)
    mean = np.bincount(thing_of, weights=level(bad[known])) / np.maximum(np.bincount(thing_of), 1)
    np.maximum.at(strength, keys // things, mean)
    order = known[np.argsort(bad[known], kind="stable")]
    column[seen.owner[order]] = order
    return Direct(scales(strength), column)


@lru_cache(maxsize=65536)
def _thing(metric: str) -> str:
    """A metric's name without its statistic or direction."""
    return " ".join(w for w in words(metric) if w not in _STATISTIC_WORDS and not (w[0] == "p" and w[1:].isdigit()))
