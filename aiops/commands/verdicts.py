"""`aiops verdict` and `aiops verdicts`: say what an incident was; see what that changed."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any, Literal

from aiops.commands._json import print_json
from aiops.commands._remote import ask
from aiops.commands._store import opened
from aiops.verdicts import VerdictBook, VerdictRules
from aiops.web.verdict_api import verdict_dict


def give_verdict(incident: str, answer: str, *, who: str, note: str, url: str, token_file: Path | None) -> None:
    """Tell a running service what an incident was, and print what that changes. Raises as `ask`."""
    body = {"answer": answer, "who": who, "note": note}
    told = ask("POST", url, f"/api/v1/incidents/{incident}/verdict", token_file=token_file, body=body)
    sys.stdout.write(_text(told))


def undo_verdict(verdict: str, *, who: str, url: str, token_file: Path | None) -> None:
    """Have a running service take a verdict back. Raises as `ask`."""
    told = ask("POST", url, f"/api/v1/verdicts/{verdict}/undo", token_file=token_file, body={"who": who})
    sys.stdout.write(_text(told))


def list_verdicts(place: str, *, incident: str, output: Literal["text", "json"]) -> None:
    """Print the verdicts in a store, each with what it changed.

    Raises
    ------
    InputError : there is no such store
    """
    store = opened(place)
    try:
        book = VerdictBook(store, VerdictRules(), lambda: int(time.time() * 1000), lambda _: None)
        found: list[Any] = [dict(verdict_dict(one)) for one in book.all(incident)]
    finally:
        store.close()
    if output == "json":
        print_json({"verdicts": found})
        return
    sys.stdout.write("\n".join(map(_text, found)) or "No verdict was given yet.\n")


def _text(one: dict[str, Any]) -> str:
    undone = f", undone by {one['undone_by']} {one['undone_at']}" if one["undone_at"] else f", until {one['until']}"
    lines = [f"{one['id']}  {one['answer']}  incident {one['incident']}"]
    lines.append(f"  {one['who']} by {one['via']}, {one['at']}{undone}")
    lines += [f"  {one['note']}"] if one["note"] else []
    for change in one["changes"]:
        lines += [f"  {change['subject']}", f"    - {change['before']}", f"    + {change['after']}"]
    return "\n".join(lines) + "\n"
