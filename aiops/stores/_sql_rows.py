"""Rows of the SQL store: nouns as columns, and the rules that statements share."""

from __future__ import annotations

import re
import zlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from aiops.model import Incident, Notification
from aiops.stores._database import Database, Write
from aiops.wire import encode

BETWEEN = "\x1f"
"""Stands around each service of an incident, so that a whole name can be searched for."""

LANES = 1024
"""Over which incidents are spread: chosen, far more than workers that deliver."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to do what only one worker may do, until somebody else takes it: then the epoch is another."""

    name: str
    epoch: int


def lane_of(incident_id: str) -> int:
    """The lane of an incident's notifications; the same on every machine."""
    return zlib.crc32(incident_id.encode()) % LANES


Lanes = tuple[int, Collection[int]]
"""How many partitions share the lanes, and which of them are meant."""


def inside(lanes: Lanes | None) -> tuple[str, dict[str, object]]:
    """A rule for the lanes, with its values."""
    if lanes is None:
        return "1 = 1", {}
    partitions, owned = lanes
    values: dict[str, object] = {f"lane{i}": number for i, number in enumerate(sorted(owned))}
    return f"lane % :partitions IN ({', '.join(f':{name}' for name in values)})", values | {"partitions": partitions}


def pairs(rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """Rows of two columns by the first one."""
    return {name: value for name, value in rows}  # noqa: C416 - a row is no tuple in every database


def upsert(write: Write, table: str, columns: tuple[str, str], items: Iterable[tuple[str, object]]) -> None:
    """Put pairs into a table of two columns, in the place of those with the same first one."""
    key, value = columns
    write.run(
        f"INSERT INTO {table} ({key}, {value}) VALUES (:key, :value) "  # noqa: S608 # own texts
        f"ON CONFLICT ({key}) DO UPDATE SET {value} = excluded.{value}",
        [{"key": name, "value": content} for name, content in items],
    )


def count(database: Database | Write, table: str) -> int:
    """How many rows a table has, or a part of it."""
    return int(database.rows(f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608 # own texts


def literal(text: str) -> str:
    """A text as part of a LIKE pattern."""
    return re.sub("([!%_])", r"!\1", text)


def incident_row(incident: Incident) -> dict[str, object]:
    """An incident as columns."""
    return {
        "id": incident.id,
        "status": incident.status,
        "services": BETWEEN + BETWEEN.join(incident.services) + BETWEEN,
        "started_ms": incident.started_ms,
        "resolved_ms": incident.resolved_ms,
        "body": encode(incident),
    }


def outbox_row(notification: Notification) -> dict[str, object]:
    """A notification as columns."""
    return {
        "key": notification.key,
        "receiver": notification.receiver,
        "incident_id": notification.incident.id,
        "lane": lane_of(notification.incident.id),
        "created_ms": notification.created_ms,
        "body": encode(notification),
    }
