"""JSON of programs: the small bodies and the parameters they send, and what they are answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from aiops.errors import InputError
from aiops.events import decoded, time_ms, typed
from aiops.events._payload import name
from aiops.web.intake import SMALL_BYTES, Intake, refuse_encoded

Asked = TypeVar("Asked", bound=msgspec.Struct)


async def asked_in(request: Request, intake: Intake, kind: type[Asked], limit_bytes: int = SMALL_BYTES) -> Asked:
    """What the body of a request asks for; an empty body asks for what `kind` has as defaults.

    Raises
    ------
    InputError : naming the field, also an unknown one: what is not done as it was asked misleads
    TooLarge : over `limit_bytes`
    UnsupportedMedia : compressed
    others : as `Intake.body`
    """
    refuse_encoded(request)
    async with intake.body(request, limit_bytes) as body:
        value = decoded(body or b"{}")
    known = kind.__struct_fields__
    if isinstance(value, dict) and (unknown := [key for key in value if key not in known]):
        raise InputError(f"{name(str(unknown[0]))}: no such field; there are {', '.join(known)}")
    return typed(value, kind)


def json_answer(content: object, status: int = 200) -> Response:
    """An answer in JSON."""
    return Response(msgspec.json.encode(content), status, media_type="application/json")


def since_ms(query: Mapping[str, str]) -> int:
    """The parameter `since`, RFC 3339 or unix seconds, as unix ms; 0 without it. Raises InputError."""
    since = query.get("since", "")
    if not since:
        return 0
    return time_ms(float(since) if since.replace(".", "", 1).isdecimal() else since, "since")


def limit(query: Mapping[str, str], default: int, most: int) -> int:
    """The parameter `limit`. Raises InputError.

    >>> limit({"limit": "5"}, default=100, most=1000)
    5
    """
    text = query.get("limit", str(default))
    if not (text.isdecimal() and len(text) < 10 and 1 <= int(text) <= most):
        raise InputError(f"limit: must be a whole number from 1 to {most}")
    return int(text)
