"""`aiops dead-letters` and `aiops suppressed`: what nobody was told."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Literal

from aiops.commands._json import print_json
from aiops.commands._remote import ask
from aiops.commands._store import opened
from aiops.web.delivery_api import outgoing_dict, suppressed_dict
from aiops.words import clock, counted

SHOWN = 50


def list_dead_letters(place: str, *, output: Literal["text", "json"]) -> None:
    """Print the notifications in a store that were given up.

    Raises
    ------
    InputError : there is no such store
    """
    store = opened(place)
    try:
        rows = store.dead_letters(1000)
    finally:
        store.close()
    if output == "json":
        print_json({"dead_letters": [outgoing_dict(row) for row in rows]})
        return
    for row in rows:
        note = row.notification
        sys.stdout.write(
            f"{note.key}\n  {clock(note.created_ms)}  {note.receiver}: {note.reason}  {note.incident.title}\n"
        )
        sys.stdout.write(f"  given up after {counted(row.attempts, 'attempt')}: {row.note}\n")
    sys.stdout.write("aiops dead-letters --replay tries them again\n" if rows else "There are no dead letters.\n")


def replay_dead_letters(keys: list[str], *, url: str, token_file: Path | None) -> None:
    """Have a running service try dead letters again, all of them without `keys`. Raises as `ask`."""
    answer = ask("POST", url, "/api/v1/dead-letters/replay", token_file=token_file, body={"keys": keys})
    sys.stdout.write(f"{counted(answer['replayed'], 'notification')} will be tried again\n")


def list_suppressed(place: str, *, since_ms: int, incident: str, output: Literal["text", "json"]) -> None:
    """Print what nobody was told of by itself, and why.

    Raises
    ------
    InputError : there is no such store
    """
    store = opened(place)
    try:
        found = store.suppressed(since_ms=since_ms, incident_id=incident, limit=10_000)
    finally:
        store.close()
    if output == "json":
        print_json({"suppressed": [suppressed_dict(one) for one in found]})
        return
    reasons = Counter[str]()
    for one in found:
        reasons[one.reason] += one.count
    for one in found[:SHOWN]:
        times = f", {one.count} times" if one.count > 1 else ""
        where = f" ({one.incident_id})" if one.incident_id else ""
        sys.stdout.write(f"{clock(one.last_ms)}  {one.subject}{times}\n  {one.reason}{where}\n")
    if len(found) > SHOWN:
        sys.stdout.write(f"... {len(found) - SHOWN} more: --format json has all\n")
    sys.stdout.write("".join(f"{count:6d}  {reason}\n" for reason, count in reasons.most_common()))
    if not found:
        sys.stdout.write("Nothing was held back.\n")
