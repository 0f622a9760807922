"""A case made ready for ranking: services numbered by name, columns understood, deviations measured once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rca._base import F64, Bools, Case, Column
from rca.deviation import Deviation, deviation, quantile
from rca.families import Meaning, meaning
from rca.graph import ServiceGraph

Places = NDArray[np.intp]

_QUIET_BEFORE_MS = 300_000  # normal rows this close before the trigger may already hold the fault
_HUGE = 1e15  # nothing measured is larger; products of such numbers stay finite
_MIN_NORMAL_ROWS = 10  # chosen: fewer than this are not thinned further


@dataclass(frozen=True, slots=True)
class CaseView:
    """What all evidence looks at.

    Parameters
    ----------
    services : s names, sorted: the graph's, the columns', the symptom's, and the machines these are placed on
    symptom : place of the symptom's service in `services`
    columns, meanings : the columns kept (of known shape), sorted, and what their names say
    order : (n,) place of each column in the case's own columns
    kind, kinds : (n,) which of the distinct meanings each column has, and these
    owner, peer : (n,) places of a column's service and of its peer (-1 = none)
    rows : (t + a, n) normal rows in order of time, then the abnormal ones; infinities are missing; not to be written
    normal, abnormal : (t, n), (a, n) the two parts of `rows`
    moved : deviations of the columns
    callers, callees : (e,) ends of the graph's edges, without self calls
    reachable : (s,) whether the symptom depends on it, itself included
    """

    case: Case
    services: tuple[str, ...]
    symptom: int
    columns: tuple[Column, ...]
    meanings: tuple[Meaning, ...]
    order: Places
    kind: Places
    kinds: tuple[Meaning, ...]
    owner: Places
    peer: Places
    rows: F64
    normal: F64
    abnormal: F64
    moved: Deviation
    callers: Places
    callees: Places
    reachable: Bools

    @property
    def is_blind(self) -> bool:
        """Nothing to compare: no column, no normal or no abnormal row."""
        return not (self.columns and len(self.normal) and len(self.abnormal))

    @property
    def has_no_values(self) -> bool:
        """No column has both normal and abnormal values."""
        both = np.isfinite(self.normal).any(axis=0) & np.isfinite(self.abnormal).any(axis=0)
        return not bool(both.any())

    def which(self, fits: Callable[[Meaning], bool]) -> Bools:
        """Columns whose meaning fits, (n,); asked once per distinct meaning, of which there are few."""
        return np.array([fits(what) for what in self.kinds], dtype=np.bool_)[self.kind]

    def places(self, fits: Callable[[Meaning], bool]) -> Places:
        """Places of the columns whose meaning fits."""
        return np.flatnonzero(self.which(fits))

    def place(self, service: str) -> int:
        """Place of a known service."""
        return self.services.index(service)


def view(case: Case) -> CaseView:
    """Prepare a case. Never raises on odd content: what cannot be used is left out."""
    order = _columns_by_name(case.columns)
    columns = tuple(case.columns[i] for i in order)
    case = replace(case, graph=_with_measured_calls(case.graph, columns))
    known = {case.symptom.service, *case.graph.services(), *_named(columns)}
    services = tuple(sorted(known | {node for service, node in case.placement.items() if node and service in known}))
    at = {service: place for place, service in enumerate(services)}
    normal_rows, abnormal_rows = _rows(case)
    values = _finite(case.values if order == list(range(len(order))) else case.values[:, order])
    rows = _taken(values, np.concatenate([normal_rows, abnormal_rows]))
    normal, abnormal = rows[: len(normal_rows)], rows[len(normal_rows) :]
    ends = _ends(case.graph, at)
    kind, kinds = _kinds(columns)
    return CaseView(
        case=case,
        services=services,
        symptom=at[case.symptom.service],
        columns=columns,
        meanings=tuple(kinds[k] for k in kind.tolist()),
        order=np.array(order, dtype=np.intp),
        kind=kind,
        kinds=kinds,
        owner=np.array([at[c.service] for c in columns], dtype=np.intp),
        peer=np.array([at[c.peer] if c.peer else -1 for c in columns], dtype=np.intp),
        rows=rows,
        normal=normal,
        abnormal=abnormal,
        moved=deviation(normal, abnormal, _floors(kind, kinds, normal)),
        callers=ends[:, 0],
        callees=ends[:, 1],
        reachable=reach(len(services), ends[:, 0], ends[:, 1], at[case.symptom.service]),
    )


def with_graph(seen: CaseView, graph: ServiceGraph) -> CaseView:
    """The same case on another graph of the same services."""
    ends = _ends(graph, {service: place for place, service in enumerate(seen.services)})
    reachable = reach(len(seen.services), ends[:, 0], ends[:, 1], seen.symptom)
    case = replace(seen.case, graph=graph)
    return replace(seen, case=case, callers=ends[:, 0], callees=ends[:, 1], reachable=reachable)


def _ends(graph: ServiceGraph, at: dict[str, int]) -> Places:
    return np.array([(at[a], at[b]) for a, b, _ in graph.edges()], dtype=np.intp).reshape(-1, 2)


def _with_measured_calls(graph: ServiceGraph, columns: tuple[Column, ...]) -> ServiceGraph:
    """Whose calls are measured does call: such edges need no other source."""
    calls = {(column.service, column.peer) for column in columns if column.peer}
    missing = sorted(call for call in calls if call[0] != call[1] and call[1] not in graph.callees(call[0]))
    return graph.merged(ServiceGraph(missing)) if missing else graph


def reach(count: int, tails: Places, heads: Places, start: int) -> Bools:
    """Which of `count` places can be reached from `start` along tail -> head, itself included."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import breadth_first_order

    graph = csr_array((np.ones(len(tails)), (tails, heads)), shape=(count, count))
    found = np.zeros(count, dtype=np.bool_)
    found[breadth_first_order(graph, start, return_predecessors=False)] = True
    return found


def _finite(values: F64) -> F64:
    """The same with infinities missing and nothing beyond what can be measured."""
    with np.errstate(invalid="ignore"):
        largest = np.fmax.reduce(values, axis=None, initial=0.0)
        smallest = np.fmin.reduce(values, axis=None, initial=0.0)
    if largest <= _HUGE and smallest >= -_HUGE:
        return values
    return np.clip(np.where(np.isfinite(values), values, np.nan), -_HUGE, _HUGE)


def _columns_by_name(columns: tuple[Column, ...]) -> list[int]:
    """Sorted, so that the order in which a case lists its columns cannot matter."""
    return sorted(range(len(columns)), key=lambda i: (columns[i].service, columns[i].peer, columns[i].metric))


def _named(columns: Iterable[Column]) -> set[str]:
    return {c.service for c in columns} | {c.peer for c in columns if c.peer}


def _rows(case: Case) -> tuple[Places, Places]:
    """Rows to compare, in order of time.

    Abnormal rows before the trigger's step show the world before the fault and are left out, as are normal rows of the
    last minutes before it, unless too few remain.
    """
    order = np.argsort(case.times, kind="stable")
    times, abnormal = case.times[order], case.abnormal[order]
    late = abnormal & (times >= case.trigger_ms - case.step_s * 1000)
    quiet = ~abnormal & ~((times >= case.trigger_ms - _QUIET_BEFORE_MS) & (times < case.trigger_ms))
    chosen = late if late.any() else abnormal
    normal = quiet if np.sum(quiet) >= max(_MIN_NORMAL_ROWS, np.sum(~abnormal) / 2) else ~abnormal
    return order[normal], order[chosen]


def _kinds(columns: tuple[Column, ...]) -> tuple[Places, tuple[Meaning, ...]]:
    """Which of the distinct meanings each column has, (n,), and these; large systems have few."""
    number: dict[tuple[str, bool], int] = {}
    kind = [number.setdefault((column.metric, bool(column.peer)), len(number)) for column in columns]
    return np.array(kind, dtype=np.intp), tuple(meaning(*name) for name in number)


def _taken(values: F64, rows: Places) -> F64:
    """The rows, without copying them where they stand together already."""
    if len(rows) and np.array_equal(rows, np.arange(rows[0], rows[0] + len(rows))):
        return values[rows[0] : rows[0] + len(rows)]
    return values[rows]


def _floors(kind: Places, kinds: tuple[Meaning, ...], normal: F64) -> F64:
    """Deviations nobody cares about: 0.3 % errors (measured), one logged error."""
    families = np.array([what.family for what in kinds], dtype="U16")[kind] if kinds else np.zeros(0, dtype="U16")
    floors = np.zeros(len(kind))
    ratios = np.isin(families, ["errors", "availability"])
    floors[ratios] = np.where(quantile(normal[:, ratios], 0.5) > 1.5, 0.3, 0.003)
    floors[np.isin(families, ["log errors", "logs", "restarts"])] = 1.0
    return floors
