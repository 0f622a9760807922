"""From weights to an answer: suspects with confidence, kind, path, reason and evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from rca._base import F64, CauseKind, Change, Evidence, Ranking, Suspect
from rca.blast_radius import blast_radius
from rca.changes import CAUSES, likeliest_changes
from rca.confidence import KNOWN_WEIGHT, confidences
from rca.fusion import Fused
from rca.graph import ServiceGraph
from rca.learn import LEARNT_NOTE
from rca.opinion import Opinion
from rca.view import CaseView

_TELLING = 0.5  # gate from which a direct deviation may name the cause
# A cause is told before its effects: a starved service is also late to answer, which looks like the network.
_EFFECT = 2
_TELLING_ORDER: dict[CauseKind, int] = {
    "exhaustion": 0,
    "traffic surge": 0,
    "certificate or quota": 0,
    "network": 1,
}
_WORTH_TELLING = 0.2  # share of the evidence explained away from which it is said
NOTHING_NOTE = "there are no normal or no abnormal values to compare"
_FELT = 0.5  # share of a clear deviation from which a service is said to feel it; chosen
_NAMED = 5  # services named one by one in a note; chosen
_EXPLAINED = "what it suffers is explained by its load, or by a service it calls"
DETAILED = 10  # suspects with evidence and path; the others are only named


@dataclass(frozen=True, slots=True)
class Trial:
    """All that was said about the services of a case, and its sum.

    Parameters
    ----------
    is_learnt : on a graph learnt from the metrics
    hurt : (s,) in [0, 1], how far each service's own requests go wrong
    second : place of an independent second cause, -1 = none
    """

    seen: CaseView
    opinions: Sequence[Opinion]
    fused: Fused
    is_learnt: bool = False
    hurt: F64 = field(default_factory=lambda: np.zeros(0))
    second: int = -1

    def order(self) -> list[int]:
        """Places of services by weight, ties by name; without the symptom of no service, which has no name to blame."""
        services, weight = self.seen.services, self.fused.weight
        named = [s for s in range(len(services)) if services[s]]
        return sorted(named, key=lambda s: (-weight[s], services[s]))

    @property
    def is_unknown(self) -> bool:
        """No service stands out."""
        order = self.order()
        return not order or float(self.fused.weight[order[0]]) < KNOWN_WEIGHT


def ranking(trial: Trial) -> Ranking:
    """Order the services by weight, ties by name, and say why."""
    services, is_unknown = trial.seen.services, trial.is_unknown
    confidence = confidences(trial.fused.weight)
    weight = trial.fused.weight.copy()
    first, *others = trial.order() or [-1]
    if trial.second >= 0 and trial.second != others[0]:
        # Both causes stand on top; what the rest is surer of by the sum goes to the second cause.
        weight[trial.second] = (weight[first] + weight[others[0]]) / 2
        confidence[[trial.second, others[0]]] = confidence[[others[0], trial.second]]
    trial = replace(trial, fused=replace(trial.fused, weight=weight))
    changed = likeliest_changes(trial.seen)
    suspects = []
    for place, service in enumerate(trial.order()):
        suspect = Suspect(services[service], None, float(weight[service]), float(confidence[service]))
        is_told = place < DETAILED and weight[service] > 0
        suspects.append(_detailed(trial, service, suspect, changed) if is_told else suspect)
    return Ranking(tuple(suspects), is_unknown, notes(trial))


def _detailed(trial: Trial, service: int, suspect: Suspect, changed: dict[int, tuple[float, Change]]) -> Suspect:
    opinions, given = trial.opinions, trial.fused.parts[:, service]
    speaking = sorted((e for e in range(len(opinions)) if given[e] > 0), key=lambda e: (-given[e], opinions[e].kind))
    evidence = tuple(_evidence(opinions[e], service, given[e]) for e in speaking if opinions[e].tell(service))
    excused = float(trial.fused.excused[service])
    if excused >= _WORTH_TELLING:
        evidence += (Evidence("explained by others", -excused, _EXPLAINED, (("share", round(excused, 3)),)),)
    telling = sorted(speaking, key=lambda e: _telling_order(opinions[e], service))
    columns = [int(opinions[e].column[service]) for e in telling if opinions[e].column[service] >= 0]
    change = changed[service][1] if any(e.kind == "change" for e in evidence) else None
    return replace(
        suspect,
        metric=trial.seen.columns[columns[0]].metric if columns else None,
        kind=_kind(trial, service, telling, change),
        reason=_reason(evidence),
        path=_path(trial.seen, service),
        evidence=evidence,
        change=change,
    )


def _telling_order(opinion: Opinion, service: int) -> int:
    is_clear = not opinion.needs_symptom and bool(opinion.gate[service] >= _TELLING)
    return _TELLING_ORDER.get(opinion.cause, _EFFECT) if is_clear else _EFFECT


def _evidence(opinion: Opinion, service: int, given: float) -> Evidence:
    return Evidence(opinion.kind, min(1.0, float(given)), opinion.tell(service), opinion.numbers(service))


def _kind(trial: Trial, service: int, telling: list[int], change: Change | None) -> CauseKind:
    if change is not None and change.kind in CAUSES:
        return CAUSES[change.kind]
    if not telling:
        return "unknown"
    cause = trial.opinions[telling[0]].cause
    if service in trial.seen.owner or cause == "node loss":
        return cause
    return "dependency outage"  # known only from its callers: it is outside of what we watch


def _reason(evidence: tuple[Evidence, ...]) -> str:
    """What speaks for it; empty if nothing does."""
    change = [e.text for e in evidence if e.kind == "change"]
    other = [e.text for e in evidence if e.kind != "change" and e.strength > 0]
    said = "; ".join([*change, *other[:2]])
    return said and said + "."


def _path(seen: CaseView, service: int) -> tuple[str, ...]:
    """From the suspect to the symptom against the direction of calls; () when no call path is known."""
    path = seen.case.graph.path(seen.services[seen.symptom], seen.services[service])
    if path or service == seen.symptom:
        return tuple(reversed(path or (seen.services[service],)))
    on_it = [other for other, node in sorted(seen.case.placement.items()) if node == seen.services[service]]
    paths = [p for p in (seen.case.graph.path(seen.services[seen.symptom], other) for other in on_it) if p]
    return (seen.services[service], *reversed(min(paths, key=len))) if paths else ()


def notes(trial: Trial) -> tuple[str, ...]:
    """What a person should know of the ranking as a whole."""
    if trial.seen.is_blind:
        return (NOTHING_NOTE,)
    learnt = (LEARNT_NOTE,) if trial.is_learnt else ()
    if trial.is_unknown:
        return learnt
    services, causes = trial.seen.services, trial.order()[: 2 if trial.second >= 0 else 1]
    names = [services[s] for s in causes]
    two = (f"two independent causes: {names[0]} and {names[1]}",) if len(names) == 2 else ()
    felt = [(name, _felt_by(trial, name)) for name in names]
    return (*learnt, *two, *(f"{name} is felt by {_listed(by)}" for name, by in felt if by))


def _felt_by(trial: Trial, service: str) -> list[str]:
    """Services that depend on a suspect, or run on it, and go wrong, nearest first."""
    placement, graph = trial.seen.case.placement, trial.seen.case.graph
    if service in placement.values():
        graph = graph.merged(ServiceGraph((tenant, node) for tenant, node in placement.items() if node == service))
    at = {name: place for place, name in enumerate(trial.seen.services)}
    return [name for name in blast_radius(graph, service) if name in at and trial.hurt[at[name]] >= _FELT]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
