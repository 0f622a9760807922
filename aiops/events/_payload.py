"""Reading what strangers send: decoding, types, times and limits.

Limits are chosen: Prometheus itself has none, and what a person reads of an alert is far below them.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec

from aiops.errors import InputError
from aiops.model import Event, Labels
from aiops.series import SERVICE_LABELS

log = logging.getLogger(__name__)

TEXT_LIMIT_BYTES = 4096
LABEL_LIMIT_BYTES = 1024
NAME_LIMIT_BYTES = 256
URL_LIMIT_BYTES = 2048
LABELS_LIMIT = 64
CUT_MARK = "… [cut]"
REASONS = (
    "unreadable",
    "severity none",
    "our own alert",
    "not about a service",
    "type not understood",
    "labels over the limit",
    "truncated by the sender",
)
"""Why something may be left out; metrics start at zero for each."""

MAX_TIME_MS = 4_102_444_800_000
"""2100-01-01: a later time is a mistake in units."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Numbers below this are seconds (until the year 5138), above it milliseconds (since March 1973).
_SECONDS_BELOW = 1e11
# Control characters drive terminals, direction marks reorder what a reader sees; neither belongs into a label.
_UNWANTED = dict.fromkeys(
    (*range(9), *range(11, 32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A)), " "
)
_KEPT_LABELS = (*SERVICE_LABELS, "alertname", "severity", "namespace", "cluster")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Received:
    """What a request told us, and how much of it was left out and why."""

    events: tuple[Event, ...] = ()
    rejects: tuple[tuple[str, int], ...] = ()


def received(events: list[Event], rejects: Counter[str], source: str) -> Received:
    """Both in one; what was left out is logged with how much."""
    for reason, count in sorted(rejects.items()):
        log.warning("events left out source=%s reason=%s count=%d", source, reason, count)
    return Received(tuple(events), tuple(sorted(rejects.items())))


def decoded(body: bytes) -> object:
    """Parse JSON of any shape. Raises InputError for what is none, or is nested too deeply."""
    try:
        value: object = msgspec.json.decode(body)
    except RecursionError:
        raise InputError("body: JSON is nested too deeply") from None
    except ValueError as error:  # msgspec's own errors and UnicodeDecodeError
        raise InputError(f"body: not valid JSON: {error}") from None
    return value


def typed(value: object, kind: type[T], where: str = "") -> T:
    """Read a value as a msgspec structure. Raises InputError naming the key and the rule."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        rule, _, path = str(error).partition(" - at `$")
        key = f"{where}{path.rstrip('`')}".lstrip(".") or "body"
        # msgspec quotes what it found, however long that is.
        raise InputError(f"{key}: {rule[:1].lower()}{clean(rule[1:], 400)}") from None


def clean(text: str, limit_bytes: int = TEXT_LIMIT_BYTES) -> str:
    """Text without control characters, cut with a mark where it is over the limit."""
    # Cutting by characters first keeps a text of many megabytes from being copied as a whole.
    head = text[: limit_bytes + 1].translate(_UNWANTED)
    raw = head.encode(errors="replace")
    if len(raw) <= limit_bytes and len(head) == len(text):
        return head.strip()
    return raw[: limit_bytes - len(CUT_MARK.encode())].decode(errors="ignore").strip() + CUT_MARK


def name(text: str) -> str:
    """A name on one line, within its limit."""
    return " ".join(clean(text, NAME_LIMIT_BYTES).split())


def link(text: str) -> str:
    """An http(s) address, or "" for anything else: a page will make it clickable."""
    short = text[: URL_LIMIT_BYTES + 1].strip()
    if not short.lower().startswith(("http://", "https://")) or len(short) > URL_LIMIT_BYTES:
        return ""
    return "" if any(c.isspace() or ord(c) in _UNWANTED for c in short) else short


def strings(value: dict[str, object] | None, where: str) -> dict[str, str]:
    """A mapping of names to texts; null is empty. Raises InputError naming the first name with another value."""
    result = {}
    for key, text in (value or {}).items():
        if not isinstance(text, str):
            raise InputError(f"{where}.{name(key)}: expected `str`, got `{type(text).__name__}`")
        result[key] = text
    return result


def bounded_labels(labels: dict[str, str]) -> tuple[Labels, int]:
    """Label pairs, sorted and within limits, and how many had to go; those that say what it is about stay."""
    filled = [key for key, value in labels.items() if value]
    kept = sorted(filled, key=lambda key: (key not in _KEPT_LABELS, key))[:LABELS_LIMIT]
    pairs = {name(key): clean(labels[key], LABEL_LIMIT_BYTES) for key in kept}
    return tuple(sorted(pairs.items())), len(filled) - len(kept)


def rfc3339_ms(text: str, where: str) -> int:
    """Unix ms of an RFC 3339 time; at most 0 for the zero time of Go. Raises InputError for another format."""
    try:
        time = datetime.fromisoformat(text.strip().upper())
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise InputError(f"{where}: expected an RFC 3339 time with a zone, got {clean(text, 40)!r}")
    return (time - _EPOCH) // timedelta(milliseconds=1)


def time_ms(value: str | float, where: str) -> int:
    """Unix ms of an RFC 3339 text, or of unix seconds or milliseconds. Raises InputError outside 1970 to 2100."""
    if isinstance(value, str):
        result = rfc3339_ms(value, where)
    else:
        # Infinity and NaN have no integer; they are outside in any case.
        result = int(value * 1000 if value < _SECONDS_BELOW else value) if 0 < value < MAX_TIME_MS else 0
    if not 0 < result < MAX_TIME_MS:
        raise InputError(f"{where}: must lie between 1970 and 2100, got {clean(str(value), 40)}")
    return result
