"""Co-location: services that share a machine, a zone or a database and go wrong together, though none calls the other.

What they share is a node: a machine on which services are placed, or a dependency of several services whose requests
nobody measures. Of the services on a node k of n are in trouble of their own, of all others a share p0; were the node
innocent, it would be p0 here too. The logarithm of the likelihood ratio says how unlikely that is:

    k ln(p1 / p0) + (n - k) ln((1 - p1) / (1 - p0)),  p1 = k / n

Trouble that a callee explains is not counted, so that trouble which runs up the calls is nobody's node.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rca._base import F64, Bools
from rca.direct import family_columns, joined
from rca.facts import Facts
from rca.opinion import CLEAR, Numbers, Opinion, gate
from rca.silence import MOST, felt_by_callers, lost_share
from rca.unseen import RESOURCES, busy, unseen
from rca.view import Places
from rca.witnesses import own_error_scales

_ODD = 0.5  # gate from which trouble may explain that of others; chosen
_WORTH = 0.1  # of the most time that any service loses: less beside it is an effect or chance; chosen
_ITSELF = 1.5  # in units of the log ratio, what a node that is odd itself adds; chosen
_FEWEST = 2  # one service in trouble is no shared trouble, unless the node is clearly odd itself
_TAKEN = 0.8  # most of the evidence against a service that its node takes over; chosen


@dataclass(frozen=True, slots=True)
class Tenants:
    """Which services share what; `service[i]` is on `node[i]`, and `is_machine` says whether the case told so."""

    service: Places
    node: Places
    is_machine: Bools


def tenants(known: Facts) -> Tenants:
    """Services on machines as placed, and callers of dependencies whose requests nobody measures."""
    seen, series = known.seen, known.series
    at = {service: place for place, service in enumerate(seen.services)}
    placed = [(at[s], at[n]) for s, n in sorted(seen.case.placement.items()) if s in at and n in at and s != n]
    machines = {node for _, node in placed}
    is_sink = np.ones(len(at), dtype=np.bool_)
    is_sink[seen.callers] = False
    for column in (series.latency_column, series.errors_column, series.requests_column):
        is_sink &= column < 0
    is_sink &= ~series.is_seen_by_callers
    pairs = np.array(placed, dtype=np.intp).reshape(-1, 2)
    shared = is_sink[seen.callees] & ~np.isin(seen.callees, list(machines))
    service = np.concatenate([pairs[:, 0], seen.callers[shared]])
    node = np.concatenate([pairs[:, 1], seen.callees[shared]])
    return Tenants(service, node, np.arange(len(node)) < len(pairs))


def colocation(known: Facts) -> tuple[list[Opinion], F64]:
    """Nodes whose services are in trouble together, and the share of each service's evidence they take over, (s,)."""
    size, found = len(known.seen.services), tenants(known)
    silent = lost_share(known)[0] >= MOST
    trouble, hurt = _trouble(known, silent)
    count = np.bincount(found.node, minlength=size).astype(np.float64)
    bad = np.bincount(found.node, weights=trouble[found.service], minlength=size).astype(np.float64)
    measured = np.zeros(size, dtype=np.bool_)
    measured[known.seen.owner] = True
    likelihood = _log_ratio(bad, count, float(np.sum(trouble & measured)), float(np.sum(measured)))
    felt = np.full(size, 0.0)
    np.maximum.at(felt, found.node, (hurt * trouble)[found.service])
    itself = gate(joined(known.seen, family_columns(known.seen, RESOURCES), known.bad).z)
    at_work = np.zeros(size)
    np.maximum.at(at_work, found.node, busy(known)[found.service])
    itself *= 1.0 - at_work
    is_shared = (bad >= _FEWEST) | ((bad > 0) & (itself >= 1.0))
    strength = np.where(is_shared, gate(likelihood + _ITSELF * itself), 0.0) * felt
    taken = np.zeros(size)
    np.maximum.at(taken, found.service, _TAKEN * strength[found.node] * trouble[found.service])

    def tell(s: int) -> str:
        return f"{int(bad[s])} of the {int(count[s])} services on it are in trouble at once, and not by their calls"

    def numbers(s: int) -> Numbers:
        return (("in trouble", float(bad[s])), ("services", float(count[s])), ("log ratio", round(likelihood[s], 3)))

    # A database that is gone makes its callers fail, not vanish.
    is_lost = np.zeros(size, dtype=np.bool_)
    is_lost[found.node[found.is_machine | silent[found.service]]] = True
    column = np.full(size, -1, dtype=np.intp)
    lost, shared = np.where(is_lost, strength, 0.0), np.where(is_lost, 0.0, strength)
    return [
        Opinion("co-location", lost, lost, column, tell, numbers, is_request=True, cause="node loss"),
        Opinion("shared dependency", shared, shared, column, tell, numbers, is_request=True),
    ], taken


def _trouble(known: Facts, silent: Bools) -> tuple[Bools, F64]:
    """Services in trouble that no callee explains, (s,), and how far somebody notices, (s,)."""
    seen, own = known.seen, known.own_latency
    is_much = own.loss >= _WORTH * float(np.max(own.loss, initial=0.0))
    slow = is_much & (np.nan_to_num(np.minimum(known.latency.z_up, own.z)) >= CLEAR)
    failing = own_error_scales(known)[0] >= CLEAR
    slow_below = _any_callee(known, silent | (unseen(known)[0][0].strength >= _ODD))
    # What is left of a percentile without its callees' is no exact figure: a callee that loses more explains it.
    larger = slow[seen.callees] & (own.loss[seen.callees] >= own.loss[seen.callers])
    slow_below[seen.callers[larger]] = True
    # Errors run up the calls nearly whole, so a callee that fails at all explains them.
    failing_below = _any_callee(known, silent | (gate(known.errors.z_up) >= _ODD))
    trouble = silent | (slow & ~slow_below) | (failing & ~failing_below)
    return trouble, np.where(silent, felt_by_callers(known), known.felt)


def _any_callee(known: Facts, which: Bools) -> Bools:
    found = np.zeros(len(which), dtype=np.bool_)
    found[known.seen.callers[which[known.seen.callees]]] = True
    return found


def _log_ratio(bad: F64, count: F64, all_bad: float, everyone: float) -> F64:
    """How much better "this node" explains k of n than "as everywhere else" does; 0 where it is no worse here."""
    others = np.maximum(0.0, everyone - count)
    usual = (np.maximum(0.0, all_bad - bad) + 0.5) / (others + 1.0)  # half a case more: nothing is impossible
    here = bad / np.maximum(count, 1.0)
    with np.errstate(all="ignore"):
        yes = np.where(bad > 0, bad * np.log(here / usual), 0.0)
        no = np.where(bad < count, (count - bad) * np.log((1.0 - here) / (1.0 - usual)), 0.0)
    return np.where(here > usual, np.nan_to_num(yes + no), 0.0)
