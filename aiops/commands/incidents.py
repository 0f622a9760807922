"""`aiops explain` and `aiops export`: what the store knows of an incident."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Literal

from aiops.commands._json import print_json
from aiops.commands._store import found, opened
from aiops.errors import InputError
from aiops.model import Incident
from aiops.web.render import incident_dict
from aiops.wire import decode_case
from rca.case_folder import write_case


def explain_incident(incident_id: str, place: str, *, output: Literal["text", "json"]) -> None:
    """Print all that is known of an incident, each suspect with its evidence.

    Raises
    ------
    InputError : there is no such store or incident
    """
    store = opened(place)
    try:
        incident = found(store, incident_id)
    finally:
        store.close()
    if output == "json":
        print_json(incident_dict(incident))
        return
    from rich.console import Console

    from aiops.notifiers.console import print_incident

    console = Console(highlight=False, emoji=False)
    print_incident(console, incident, int(time.time() * 1000))
    for line in _why(incident):
        console.print(line, soft_wrap=True, markup=False)


def export_case(incident_id: str, folder: Path, place: str) -> None:
    """Write what the ranker saw of an incident as a case folder, for `aiops rank`.

    Raises
    ------
    InputError : there is no such store or incident, it was never ranked, or the folder cannot be written
    """
    store = opened(place)
    try:
        incident = found(store, incident_id)
        data = store.case(incident.id)
    finally:
        store.close()
    if data is None:
        raise InputError(f"incident {incident.id} was never ranked: nothing of its metrics was kept")
    case = decode_case(data)
    if not case.symptom.service:
        raise InputError(f"incident {incident.id} names no service: a case folder must say where it hurts")
    try:
        write_case(case, folder)
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}: cannot be written: {error}") from error
    sys.stdout.write(f"Written: {folder}\nNext: aiops rank {folder}\n")


def _why(incident: Incident) -> list[str]:
    lines = []
    for suspect in incident.ranking.suspects[:3]:
        lines += ["", f"{suspect.service}: {suspect.confidence:.0%} sure, {suspect.kind}", f"  {suspect.reason}"]
        if len(suspect.path) > 1:
            lines.append(f"  path: {' > '.join(suspect.path)}")
        for evidence in suspect.evidence:
            numbers = ", ".join(f"{name} {value:g}" for name, value in evidence.numbers)
            lines.append(
                f"  {evidence.strength:+.2f} {evidence.kind}: {evidence.text}" + (f" ({numbers})" if numbers else "")
            )
    for note in incident.ranking.notes:
        lines += ["", f"note: {note}"]
    for anomaly in incident.anomalies:
        lines += ["", f"{anomaly.series}", f"  {anomaly.explanation}"]
    return lines
