"""From weights to an answer: suspects with confidence, kind, path, reason and evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rca._base import CauseKind, Change, Evidence, Ranking, Suspect
from rca.changes import CAUSES, likeliest_changes
from rca.confidence import KNOWN_WEIGHT, confidences
from rca.fusion import Fused
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
_EXPLAINED = "what it suffers is explained by its load, or by a service it calls"
DETAILED = 10  # suspects with evidence and path; the others are only named


@dataclass(frozen=True, slots=True)
class Trial:
    """All that was said about the services of a case, and its sum; `is_learnt`: on a graph learnt from the metrics."""

    seen: CaseView
    opinions: Sequence[Opinion]
    fused: Fused
    is_learnt: bool = False


def ranking(trial: Trial, notes: tuple[str, ...] = ()) -> Ranking:
    """Order the services by weight, ties by name, and say why."""
    services, weight = trial.seen.services, trial.fused.weight
    # A symptom of no service (an alert without one) has no name to blame.
    named = [s for s in range(len(services)) if services[s]]
    order = sorted(named, key=lambda s: (-weight[s], services[s]))
    confidence = confidences(weight)
    changed = likeliest_changes(trial.seen)
    suspects = []
    for place, service in enumerate(order):
        suspect = Suspect(services[service], None, float(weight[service]), float(confidence[service]))
        is_told = place < DETAILED and weight[service] > 0
        suspects.append(_detailed(trial, service, suspect, changed) if is_told else suspect)
    is_unknown = not order or float(weight[order[0]]) < KNOWN_WEIGHT
    return Ranking(tuple(suspects), is_unknown, notes)


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
        reason=_reason(suspect.service, evidence),
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


def _reason(service: str, evidence: tuple[Evidence, ...]) -> str:
    if not evidence:
        return ""
    change = [e.text for e in evidence if e.kind == "change"]
    other = [e.text for e in evidence if e.kind != "change" and e.strength > 0]
    return f"{service}: " + "; ".join([*change, *other[:2]]) + "."


def _path(seen: CaseView, service: int) -> tuple[str, ...]:
    """From the suspect to the symptom against the direction of calls; () when no call path is known."""
    path = seen.case.graph.path(seen.services[seen.symptom], seen.services[service])
    if path or service == seen.symptom:
        return tuple(reversed(path or (seen.services[service],)))
    on_it = [other for other, node in sorted(seen.case.placement.items()) if node == seen.services[service]]
    paths = [p for p in (seen.case.graph.path(seen.services[seen.symptom], other) for other in on_it) if p]
    return (seen.services[service], *reversed(min(paths, key=len))) if paths else ()
