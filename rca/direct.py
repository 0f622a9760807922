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
    worst = np.where(seen.which(lambda what: what.bad == "down"), down, np.fmax(up, down))
    return np.where(seen.which(lambda what: what.bad == "up"), up, worst)


def family_columns(seen: CaseView, families: frozenset[str]) -> Places:
    """Places of the services' own columns of some families; what measures a shared machine is left out."""
    return np.flatnonzero(seen.which(lambda what: what.family in families and not what.is_host) & (seen.peer < 0))


def joined(seen: CaseView, chosen: Places, bad: F64) -> Direct:
    """Per service the strongest thing measured; statistics of one thing are averaged, not maximised."""
    count = len(seen.services)
    strength, column = np.zeros(count), np.full(count, -1, dtype=np.intp)
    known = chosen[np.isfinite(bad[chosen])]
    kinds, first = np.unique(seen.kind[known], return_index=True)
    names = [_thing(seen.columns[i].metric) for i in known[first]]
    number = {name: place for place, name in enumerate(sorted(set(names)))}
    things = max(1, len(number))
    thing = np.array([number[name] for name in names], dtype=np.intp)
    key = seen.owner[known] * things + thing[np.searchsorted(kinds, seen.kind[known])]
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
