"""Our own shape of an event: `{time, service, kind, description, url}`, one or a list.

It is ours, so it is strict: an unknown key is an error (a misspelt one would be lost), and one bad event refuses all.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from aiops.errors import InputError
from aiops.events import _payload as payload
from aiops.events._payload import Received
from aiops.model import Event, EventKind
from aiops.series import event_id


class _Plain(msgspec.Struct, forbid_unknown_fields=True):
    service: str
    time: str | int | float | None = None
    kind: EventKind = "deploy"
    description: str = ""
    url: str = ""
    id: str = ""
    source: str = "api"
    status: str = ""
    labels: dict[str, object] | None = None


def read(content: object, now_ms: int) -> Received:
    """Turn one event or a list of them, already decoded, into events.

    `time` is RFC 3339 or unix seconds or milliseconds, now if absent. An `id` makes repetitions the same event; without
    it they are the same when time, service, kind and description are.

    >>> read({"service": "cart", "kind": "deploy", "time": 1700000000}, 0).events[0].time_ms
    1700000000000

    Raises
    ------
    InputError : naming the key of the first fault; nothing is taken then
    """
    if isinstance(content, list):
        return Received(tuple(_event(item, now_ms, f"[{number}]") for number, item in enumerate(content)))
    return Received((_event(content, now_ms, ""),))


def _event(raw: object, now_ms: int, where: str) -> Event:
    told = payload.typed(raw, _Plain, where)
    prefix = f"{where}." if where else ""
    if not told.service.strip():
        raise InputError(f"{prefix}service: must not be empty")
    if told.url and not payload.link(told.url):
        raise InputError(
            f"{prefix}url: must be an http or https address of at most {payload.URL_LIMIT_BYTES} characters"
        )
    happened_ms = now_ms if told.time is None else payload.time_ms(told.time, f"{prefix}time")
    identity = (told.id,) if told.id else (happened_ms, told.service, told.kind, told.description)
    source = payload.name(told.source)
    return Event(
        id=event_id(source, *identity),
        time_ms=happened_ms,
        service=payload.name(told.service),
        kind=told.kind,
        description=payload.clean(told.description),
        url=payload.link(told.url),
        source=source,
        status=_status(told, prefix),
        labels=payload.bounded_labels(payload.strings(told.labels, f"{prefix}labels"))[0],
    )


def _status(told: _Plain, prefix: str) -> Literal["", "firing", "resolved"]:
    if told.kind != "alert":
        if told.status:
            raise InputError(f"{prefix}status: only an event of kind `alert` has one")
        return ""
    if not told.id:
        raise InputError(f"{prefix}id: an alert needs one, so that its end can be told")
    if told.status not in ("", "firing", "resolved"):
        raise InputError(f"{prefix}status: expected `firing` or `resolved`, got {payload.clean(told.status, 40)!r}")
    return "resolved" if told.status == "resolved" else "firing"
