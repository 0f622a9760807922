"""`aiops silence` and `aiops audit`: what nobody is to be told of, and who said so."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from aiops.commands._json import print_json
from aiops.commands._remote import ask
from aiops.errors import InputError

_LASTS = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def list_silences(*, url: str, token_file: Path | None, output: Literal["text", "json"]) -> None:
    """Print what a running service knows to be silenced. Raises as `ask`."""
    found = ask("GET", url, "/api/v1/silences", token_file=token_file)
    if output == "json":
        print_json(found)
        return
    sys.stdout.write("".join(map(_text, found["silences"])) or "Nothing is silenced.\n")


def make_silence(
    incident: str,
    matchers: Sequence[str],
    lasts: str,
    *,
    who: str,
    comment: str,
    propose: bool,
    url: str,
    token_file: Path | None,
) -> None:
    """Have a running service make a silence, or only say what it would be. Raises as `ask`."""
    body = {"incident": incident, "matchers": list(matchers), "duration_s": seconds(lasts, "--for"), "who": who}
    body |= {"comment": comment, "propose": propose}
    made = ask("POST", url, "/api/v1/silences", token_file=token_file, body=body)
    sys.stdout.write(_text(made))
    if propose:
        sys.stdout.write("nothing was made: `aiops silence create` makes it\n")


def end_silence(silence: str, *, who: str, url: str, token_file: Path | None) -> None:
    """Have a running service end a silence now. Raises as `ask`."""
    ended = ask("POST", url, f"/api/v1/silences/{silence}/expire", token_file=token_file, body={"who": who})
    sys.stdout.write(_text(ended))


def list_audit(*, url: str, token_file: Path | None, output: Literal["text", "json"]) -> None:
    """Print who pressed, silenced and ended what. Raises as `ask`."""
    found = ask("GET", url, "/api/v1/audit", token_file=token_file)
    if output == "json":
        print_json(found)
        return
    lines = [f"{one['at']}  {one['via']}  {one['line']}\n" for one in found["audit"]]
    sys.stdout.write("".join(lines) or "Nobody did anything yet.\n")


def seconds(text: str, option: str) -> float:
    """How long something lasts, as people write it.

    >>> seconds("90m", "--for")
    5400.0

    Raises
    ------
    InputError : it is not written so; names the option
    """
    found = _LASTS.fullmatch(text.strip())
    if found is None:
        raise InputError(f"{option}: {text!r} is not like 2h, 30m or 1d")
    return float(found[1]) * _SECONDS[found[2]]


def _text(one: dict[str, Any]) -> str:
    by = f"{one['created_by']}: {one['comment']}" if one["comment"] else one["created_by"]
    return f"{one['id'] or '(proposal)'}  {', '.join(one['matchers'])}\n  until {one['ends_at']}, {by}\n"
