"""The pieces of evidence, each a function of the facts. None knows of the others.

Graph evidence (own share, traversal, correlation) asks who makes the *symptom* suffer. Direct evidence asks which
service is odd by itself. Change events ask who was touched.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from rca._base import F64, CauseKind
from rca.correlation import correlation
from rca.direct import family_columns, joined
from rca.edge_gap import edge_gap
from rca.facts import Facts
from rca.felt import UNFELT
from rca.measured_share import is_traced, measured_rise
from rca.opinion import Numbers, Opinion, gate, level
from rca.per_request import logs_per_request
from rca.phrases import movement, numbers_of
from rca.traversal import ANOMALOUS, traverse
from rca.view import Places

_BLAMED_ON_CALLEES = 0.7  # of a caller's errors, what its worst callee's errors explain; measured
_FEW = 0.3  # of the own latency of a service hardly called; chosen
_QUIET = 0.01  # correlation of a series that hardly moved is mostly chance


def own_share(known: Facts) -> Opinion:
    """Who adds, by itself, to what a request of the symptom suffers."""
    found = known.own_hurt
    value, z = found.value, found.z
    if known.hurts == "latency" and is_traced(known.seen):
        value = np.zeros_like(value)
    unit = "latency" if known.hurts == "latency" else "error ratio"
    total = max(float(np.sum(value)), 1e-12)

    def tell(s: int) -> str:
        return f"its own part, without its callees, makes {value[s] / total:.0%} of the rise in {unit} per request"

    def numbers(s: int) -> Numbers:
        return (("rise", float(value[s])), ("share", float(value[s] / total)), ("scales", float(z[s])))

    open_ = np.where(value > 0, 1.0, 0.0)
    return Opinion("own share", value, open_, known.hurt_column, tell, numbers, needs_symptom=True)


def traversal(known: Facts) -> Opinion:
    """Where the chain of deviating callees ends."""
    strength = traverse(known.seen, known.hurt_z)

    def tell(s: int) -> str:
        is_deepest = strength[s] >= 0.5 and s != known.seen.symptom
        return "the chain of deviating calls from the symptom ends here" if is_deepest else ""

    return Opinion("traversal", strength, np.ones(len(strength)), known.hurt_column, tell, needs_symptom=True)


def moves_alike(known: Facts) -> Opinion:
    """Whose series moves as the symptom's does."""
    found = correlation(known.hurt, known.hurt[:, known.seen.symptom])
    found = np.where(known.hurt_z > ANOMALOUS, found, found * _QUIET)
    found[known.seen.symptom] = 0.0

    def tell(s: int) -> str:
        return f"it moves as the symptom does (correlation {found[s]:.2f})" if found[s] > 0.5 else ""

    return Opinion("correlation", found, np.ones(len(found)), known.hurt_column, tell, needs_symptom=True)


def own_time(known: Facts) -> Opinion:
    """Latency of the service itself: measured so, or what is left without its callees."""
    own = known.own_latency
    z = np.nan_to_num(np.minimum(known.latency.z_up, own.z))
    column = known.series.latency_column
    measured = joined(known.seen, known.seen.places(lambda w: w.is_own and w.family == "latency"), known.bad)
    # What is measured need not be computed: a difference of coarse percentiles is the noisier of the two.
    column = np.where(measured.column >= 0, measured.column, column)
    told = _direct("own latency", known, np.where(measured.column >= 0, measured.z, z), column)
    loss = measured_rise(known).value if is_traced(known.seen) else own.loss
    weight = np.sqrt(loss / max(float(np.max(loss, initial=0.0)), 1e-12))
    return replace(told, gate=told.gate * (_FEW + (1 - _FEW) * weight))


def own_errors(known: Facts) -> Opinion:
    """Errors of the service beyond what its worst callee explains, and errors its callers get from it."""
    return _direct("own errors", known, *own_error_scales(known))


def own_error_scales(known: Facts) -> tuple[F64, Places]:
    """Deviation of each service's own errors, (s,), and the column that shows it."""
    seen, z = known.seen, np.nan_to_num(known.errors.z_up)
    column = known.series.errors_column.copy()
    for i in seen.places(lambda what: what.family == "errors"):
        callee = seen.peer[i]
        if callee >= 0 and np.nan_to_num(known.bad[i]) > z[callee]:
            z[callee], column[callee] = known.bad[i], i
    explained = np.zeros(len(z))
    np.maximum.at(explained, seen.callers, z[seen.callees])
    return np.maximum(0.0, z - _BLAMED_ON_CALLEES * explained), column


def network_gap(known: Facts) -> Opinion:
    """Time lost between a caller's clock and the service's."""
    found = edge_gap(known)
    return replace(_direct("call gap", known, found.z, found.column, cause="network"), is_request=True)


def logs(known: Facts) -> Opinion:
    """Errors logged, and lines logged per request."""
    plain = joined(known.seen, family_columns(known.seen, frozenset({"log errors"})), known.bad)
    ratio = logs_per_request(known)
    column = np.where(ratio.z > plain.z, ratio.column, plain.column)
    return _direct("logs", known, np.maximum(plain.z, ratio.z), column)


def own_families(name: str, families: frozenset[str], cause: CauseKind) -> Callable[[Facts], Opinion]:
    """Evidence from the service's own metrics of some families."""

    def witness(known: Facts) -> Opinion:
        found = joined(known.seen, family_columns(known.seen, families), known.bad)
        told = _direct(name, known, found.z, found.column, cause=cause)
        return replace(told, gate=told.gate * (UNFELT + (1.0 - UNFELT) * known.felt))

    return witness


def _direct(name: str, known: Facts, z: F64, column: Places, cause: CauseKind = "unknown") -> Opinion:
    strength, open_ = level(z), gate(z)

    def tell(s: int) -> str:
        return movement(known.seen, int(column[s])) if open_[s] > 0 and column[s] >= 0 else ""

    def numbers(s: int) -> Numbers:
        return numbers_of(known.seen, int(column[s])) if column[s] >= 0 else ()

    return Opinion(name, strength, open_, column, tell, numbers, cause=cause)
