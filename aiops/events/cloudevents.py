"""CloudEvents 1.x over HTTP (structured, batch and binary mode), with CDEvents as the neutral language of deploys.

Source and id together name an event, so a repetition is the same event. Of CDEvents, what happens to a service is a
deploy and a detected incident is an alert, firing until `incident.resolved` tells of the same subject. Any other type
says what kind it is in `data.kind` or by a word in its type (`com.example.deployment.finished`).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args
from urllib.parse import unquote

import msgspec

from aiops.errors import InputError
from aiops.events import _payload as payload
from aiops.events._payload import Received
from aiops.model import Event, EventKind
from aiops.series import SERVICE_LABELS, event_id, service_of

Mode = Literal["structured", "batch", "binary"]

_CDEVENT = re.compile(r"dev\.cdevents\.(?P<subject>[a-z]+)\.(?P<predicate>[a-z]+)\.")
_DEPLOYS = ("deployed", "upgraded", "rolledback", "removed")
_INCIDENTS: dict[str, Literal["firing", "resolved"]] = {
    "detected": "firing",
    "reported": "firing",
    "resolved": "resolved",
}
_KIND_WORDS: tuple[tuple[str, EventKind], ...] = (
    ("deploy", "deploy"),
    ("rollout", "deploy"),
    ("rollback", "deploy"),
    ("release", "deploy"),
    ("config", "config"),
    ("flag", "config"),
    ("restart", "restart"),
    ("scal", "scale"),
)


class _Envelope(msgspec.Struct):
    id: str
    source: str
    specversion: str
    type: str
    time: str | None = None
    subject: str | None = None
    service: str | None = None
    data: object = None
    data_base64: str | None = None


class _Data(msgspec.Struct):
    """What of `data` is understood, in our own words and in those of CDEvents; anything else may be there too."""

    service: str | None = None
    kind: str | None = None
    description: str | None = None
    url: str | None = None
    labels: dict[str, object] | None = None
    subject: object = None


class _Subject(msgspec.Struct):
    id: str
    source: str | None = None
    content: dict[str, object] | None = None


@dataclass(frozen=True, slots=True)
class _Meaning:
    """What happened, before it is put into an event."""

    kind: EventKind
    service: str
    description: str
    status: Literal["", "firing", "resolved"] = ""
    identity: tuple[str, ...] = ()


def mode_of(headers: Mapping[str, str]) -> Mode | None:
    """How a request carries CloudEvents; None if it does not say that it does."""
    content_type = headers.get("content-type", "").lower()
    if content_type.startswith("application/cloudevents-batch"):
        return "batch"
    if content_type.startswith("application/cloudevents"):
        return "structured"
    return "binary" if "ce-specversion" in headers else None


def from_headers(body: bytes, headers: Mapping[str, str]) -> dict[str, object]:
    """The envelope of a request in binary mode: attributes in `ce-` headers, the data as its body."""
    found: dict[str, object] = {k[3:].lower(): _header(v) for k, v in headers.items() if k.lower().startswith("ce-")}
    is_json = "json" in headers.get("content-type", "application/json").lower()
    return found | {"data": payload.decoded(body) if body and is_json else None}


def _header(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = re.sub(r"\\(.)", r"\1", value[1:-1])
    return unquote(value)


def from_cdevent(content: dict[str, object]) -> dict[str, object]:
    """The envelope of a CDEvent that was sent without one; its context says the same things."""
    context = content.get("context")
    if not isinstance(context, dict):
        raise InputError("context: expected `object`")
    envelope = {key: context[key] for key in ("id", "source", "type") if key in context}
    return envelope | {"specversion": "1.0", "time": context.get("timestamp"), "data": content}


def read(content: object, now_ms: int, names: tuple[str, ...] = SERVICE_LABELS) -> Received:
    """Turn an envelope or a list of them, already decoded, into events.

    Types that say nothing about a service are counted as rejects: a sender with a broad subscription is no mistake.

    Raises
    ------
    InputError : naming the key of the first fault; nothing is taken then
    """
    batch = isinstance(content, list)
    events, rejects = list[Event](), Counter[str]()
    for number, raw in enumerate(content if isinstance(content, list) else [content]):
        event = _event(raw, now_ms, names, f"[{number}]" if batch else "")
        if event is None:
            rejects["type not understood"] += 1
        else:
            events.append(event)
    return payload.received(events, rejects, "cloudevents")


def _event(raw: object, now_ms: int, names: tuple[str, ...], where: str) -> Event | None:
    told = payload.typed(raw, _Envelope, where)
    prefix = f"{where}." if where else ""
    for key, value in (("id", told.id), ("source", told.source), ("type", told.type)):
        if not value:
            raise InputError(f"{prefix}{key}: must not be empty")
    if not told.specversion.startswith("1."):
        raise InputError(f"{prefix}specversion: expected 1.x, got {payload.clean(told.specversion, 40)!r}")
    data = _data(told, prefix)
    meaning = _cdevent(told, data, prefix) if _CDEVENT.match(told.type) else _other(told, data, prefix, names)
    if meaning is None:
        return None
    if not meaning.service:
        raise InputError(f"{prefix}data.service: no service is named, neither there nor in `subject`")
    return Event(
        id=event_id("cloudevents", *(meaning.identity or (told.source, told.id))),
        time_ms=payload.time_ms(told.time, f"{prefix}time") if told.time else now_ms,
        service=payload.name(meaning.service),
        kind=meaning.kind,
        description=payload.clean(meaning.description),
        url=payload.link(data.url or ""),
        source=payload.name(told.source),
        status=meaning.status,
        labels=payload.bounded_labels(payload.strings(data.labels, f"{prefix}data.labels") | {"type": told.type})[0],
    )


def _data(told: _Envelope, prefix: str) -> _Data:
    data = told.data
    if told.data_base64 is not None:
        try:
            data = payload.decoded(base64.b64decode(told.data_base64, validate=True))
        except (binascii.Error, InputError):
            raise InputError(f"{prefix}data_base64: not JSON in base64") from None
    return payload.typed(data, _Data, f"{prefix}data") if isinstance(data, dict) else _Data()


def _cdevent(told: _Envelope, data: _Data, prefix: str) -> _Meaning | None:
    match = _CDEVENT.match(told.type)
    about, happened = (match["subject"], match["predicate"]) if match else ("", "")
    subject = payload.typed(data.subject, _Subject, f"{prefix}data.subject")
    content = subject.content or {}
    place = " ".join(
        f"{word} {text}" for word, text in (("of", content.get("artifactId")), ("in", _id(content))) if text
    )
    if about == "service" and happened in _DEPLOYS:
        return _Meaning("deploy", _last(subject.id), f"service {happened} {place}".strip())
    if about == "incident" and happened in _INCIDENTS:
        named = content.get("service")
        service = named.get("id") if isinstance(named, dict) else None
        text = content.get("description")
        return _Meaning(
            "alert",
            _last(service) if isinstance(service, str) else "",
            text if isinstance(text, str) else f"incident {happened} {place}".strip(),
            _INCIDENTS[happened],
            ("incident", subject.source or told.source, subject.id),
        )
    return None


def _id(content: dict[str, object]) -> object:
    environment = content.get("environment")
    return environment.get("id") if isinstance(environment, dict) else None


def _last(name: str) -> str:
    """The last part of `daemonset/myapp`."""
    return name.rstrip("/").rsplit("/", 1)[-1]


def _other(told: _Envelope, data: _Data, prefix: str, names: tuple[str, ...]) -> _Meaning | None:
    kind: EventKind | None = next((k for word, k in _KIND_WORDS if word in told.type.lower()), None)
    if data.kind is not None:
        kind = next((k for k in get_args(EventKind) if k == data.kind and k != "alert"), None)
        if kind is None:
            raise InputError(f"{prefix}data.kind: expected deploy, config, restart or scale")
    if kind is None:
        return None
    labelled = service_of(payload.strings(data.labels, f"{prefix}data.labels"), names)
    service = data.service or told.service or labelled or _last(told.subject or "")
    return _Meaning(kind, service, data.description or told.type)
