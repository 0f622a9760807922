"""From weights to an answer: suspects with confidence, kind, path, reason and evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rca._base import F64, CauseKind, Change, Evidence, Ranking, Suspect
from rca.changes import CAUSES, likeliest_changes
from rca.fusion import Fused
from rca.opinion import Opinion
from rca.view import CaseView

DETAILED = 10  # suspects with evidence and path; the others are only named
CLEAR_WEIGHT = 0.5  # below it nothing stands out: chosen as half of what one clear piece of evidence gives
_SHARPNESS = 2.0  # how fast confidence grows with the lead


@dataclass(frozen=True, slots=True)
class Trial:
    """All that was said about the services of a case, and its sum."""

    seen: CaseView
    opinions: Sequence[Opinion]
    fused: Fused


def ranking(trial: Trial, notes: tuple[str, ...] = ()) -> Ranking:
    """Order the services by weight, ties by name, and say why."""
    services, weight = trial.seen.services, trial.fused.weight
    order = sorted(range(len(services)), key=lambda s: (-weight[s], services[s]))
    confidence = confidences(weight)
    changed = likeliest_changes(trial.seen)
    suspects = []
    for place, service in enumerate(order):
        suspect = Suspect(services[service], None, float(weight[service]), float(confidence[service]))
        is_told = place < DETAILED and weight[service] > 0
        suspects.append(_detailed(trial, service, suspect, changed) if is_told else suspect)
    is_unknown = not order or float(weight[order[0]]) < CLEAR_WEIGHT
    return Ranking(tuple(suspects), is_unknown, notes)


def confidences(weight: F64) -> F64:
    """Chance of each service to be the origin, from the leads of the weights; low when all are low."""
    if not len(weight):
        return weight
    lead = np.exp(_SHARPNESS * (weight - np.max(weight)))
    return np.asarray(lead / np.sum(lead) * min(1.0, float(np.max(weight)) / (2 * CLEAR_WEIGHT)))


def _detailed(trial: Trial, service: int, suspect: Suspect, changed: dict[int, tuple[float, Change]]) -> Suspect:
    opinions, given = trial.opinions, trial.fused.parts[:, service]
    speaking = sorted((e for e in range(len(opinions)) if given[e] > 0), key=lambda e: (-given[e], opinions[e].kind))
    evidence = tuple(_evidence(opinions[e], service, given[e]) for e in speaking if service in opinions[e].text)
    columns = [int(opinions[e].column[service]) for e in speaking if opinions[e].column[service] >= 0]
    change = changed[service][1] if any(e.kind == "change" for e in evidence) else None
    return replace(
        suspect,
        metric=trial.seen.columns[columns[0]].metric if columns else None,
        kind=_kind(opinions, speaking, change),
        reason=_reason(suspect.service, evidence),
        path=_path(trial.seen, service),
        evidence=evidence,
        change=change,
    )


def _evidence(opinion: Opinion, service: int, given: float) -> Evidence:
    return Evidence(opinion.kind, min(1.0, float(given)), opinion.text[service], opinion.numbers.get(service, ()))


def _kind(opinions: Sequence[Opinion], speaking: list[int], change: Change | None) -> CauseKind:
    if change is not None and change.kind in CAUSES:
        return CAUSES[change.kind]
    direct = [opinions[e].cause for e in speaking if not opinions[e].needs_symptom]
    return direct[0] if direct else "unknown"


def _reason(service: str, evidence: tuple[Evidence, ...]) -> str:
    if not evidence:
        return ""
    change = [e.text for e in evidence if e.kind == "change"]
    other = [e.text for e in evidence if e.kind != "change"]
    return f"{service}: " + "; ".join([*change, *other[:2]]) + "."


def _path(seen: CaseView, service: int) -> tuple[str, ...]:
    """From the suspect to the symptom against the direction of calls; () when no call path is known."""
    path = seen.case.graph.path(seen.services[seen.symptom], seen.services[service])
    if not path and service == seen.symptom:
        return (seen.services[service],)
    return tuple(reversed(path))
