"""`aiops postmortem` and `aiops noise-report`: Markdown from a store."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from aiops.commands._store import found, opened
from aiops.errors import InputError
from aiops.noise_report import Kept, noise_report
from aiops.postmortem import Known, postmortem
from aiops.verdicts import VerdictBook, VerdictRules
from aiops.wire import decode_case


def write_postmortem(incident_id: str, place: str, output: Path | None) -> None:
    """Write what is known of an incident as a Markdown page, to a file or to standard output.

    Raises
    ------
    InputError : there is no such store or incident, or the file cannot be written
    """
    store = opened(place)
    try:
        incident = found(store, incident_id)
        book = VerdictBook(store, VerdictRules(), _now_ms, lambda _: None)
        data = store.case(incident.id)
        case = decode_case(data) if data is not None else None
        page = postmortem(Known(incident, store.outgoing(incident.id), book.of_incident(incident.id), case))
    finally:
        store.close()
    _write(page, output)


def write_noise_report(days: float, place: str, output: Path | None) -> None:
    """Write what the last days cost people. Raises as `write_postmortem`."""
    if not 0 < days <= 366:
        raise InputError(f"--days must be above 0 and at most 366, got {days:g}")
    end_ms = _now_ms()
    start_ms = end_ms - round(days * 86_400_000)
    store = opened(place)
    try:
        incidents = store.incidents(since_ms=start_ms, limit=100_000)
        kept = Kept(incidents, store.verdicts(limit=100_000), store.suppressed(since_ms=start_ms, limit=100_000))
    finally:
        store.close()
    _write(noise_report(kept, start_ms, end_ms), output)


def _write(page: str, output: Path | None) -> None:
    if output is None:
        sys.stdout.write(page)
        return
    try:
        output.write_text(page, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{output}: cannot be written: {error.strerror}") from error
    sys.stdout.write(f"Written: {output}\n")


def _now_ms() -> int:
    return int(time.time() * 1000)
