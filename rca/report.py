"""Rankings as plain data for files and scripts."""

from __future__ import annotations

import math
from typing import TypeAlias

from rca._base import Change, Ranking, Suspect

Plain: TypeAlias = "dict[str, Plain] | list[Plain] | str | float | int | bool | None"

SHOWN = 3
"""Suspects a person is shown; the lists `services` and `metrics` are complete."""


def ranking_line(name: str, ranking: Ranking, seconds: float) -> dict[str, Plain]:
    """One case's answer as JSON-ready data.

    Returns
    -------
    dict with case, unknown, services (all, best first), metrics ([service, metric] best first, of suspects that have
    one), seconds, notes, and suspects (the first three with everything known about them)
    """
    return {
        "case": name,
        "unknown": ranking.unknown,
        "services": [suspect.service for suspect in ranking.suspects],
        "metrics": [[suspect.service, suspect.metric] for suspect in ranking.suspects if suspect.metric is not None],
        "seconds": round(seconds, 4) if math.isfinite(seconds) else None,
        "notes": list(ranking.notes),
        "suspects": [suspect_line(suspect) for suspect in ranking.suspects[:SHOWN]],
    }


def suspect_line(suspect: Suspect) -> dict[str, Plain]:
    """One suspect as JSON-ready data."""
    return {
        "service": suspect.service,
        "metric": suspect.metric,
        "confidence": round(suspect.confidence, 4),
        "weight": round(suspect.weight, 4),
        "kind": suspect.kind,
        "reason": suspect.reason,
        "path": list(suspect.path),
        "change": None if suspect.change is None else _change_line(suspect.change),
        "evidence": [
            {"kind": e.kind, "strength": round(e.strength, 4), "text": e.text, "numbers": dict(e.numbers)}
            for e in suspect.evidence
        ],
    }


def _change_line(change: Change) -> dict[str, Plain]:
    return {
        "time_ms": change.time_ms,
        "service": change.service,
        "kind": change.kind,
        "description": change.description,
        "url": change.url,
    }
