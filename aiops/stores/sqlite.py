"""State in one SQLite file: the embedded default.

Rule 1. A cycle is one transaction. After a crash the file holds whole cycles only.
Rule 2. WAL with `synchronous=FULL`: a commit is on the disk when it returns. NORMAL would survive kill -9 too, but a
power cut could take the last commits with it, and with them alerts whose sender has been told that we have them.
Rule 3. One process writes: the lock on `<path>.lock` dies with its process, so nobody has to clean up after a crash.
Rule 4. A damaged file is refused at the start. Starting afresh would lose open incidents and untold notifications
silently.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from aiops.errors import Overloaded, StoreError
from aiops.model import Event, Incident, Notification, Status
from aiops.stores import _sqlite_schema as schema
from aiops.stores._base import Cycle, Outgoing, Received
from aiops.wire import decode, encode

BUSY_TIMEOUT_S = 5.0
"""How long a writer waits for another program's lock: SQLite's usual choice."""
MAX_INBOX = 100_000
"""Events that may wait, about 100 MB: chosen, ten times the largest alert storm asked for."""
MAX_WAIT_MS = 2 * 3_600_000
"""A retry further away than this was set by a clock that was wrong: it is due. Twice the longest wait delivery sets."""
_BETWEEN = "\x1f"


class SqliteStore:
    """A `Store` in the file `path`; its folder is made if it is missing.

    Parameters
    ----------
    read_only : only look, beside a process that writes; then everything that writes raises StoreError

    Raises
    ------
    StoreError : the file is in use, damaged, of another version, or cannot be opened
    """

    def __init__(self, path: Path, *, read_only: bool = False, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        self.path = path
        self._busy_timeout_s = busy_timeout_s
        self._read_only = read_only
        self._writing, self._reading = threading.Lock(), threading.Lock()
        self._lock_file = -1 if read_only else _lock(path)
        try:
            self._open()
        except sqlite3.Error as error:
            self.close()
            raise schema.translated(error, path) from error
        except StoreError:
            self.close()
            raise

    def _open(self) -> None:
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        if not self._read_only:
            self._writer = self._connect("rwc")
            schema.prepare(self._writer, self.path)
            self._writer.execute("PRAGMA journal_mode = WAL")
            self._writer.execute("PRAGMA synchronous = FULL")
            # A large snapshot makes the log grow once; it must not keep that size.
            self._writer.execute(f"PRAGMA journal_size_limit = {64 * 2**20}")
        self._reader = self._connect("ro")
        self._reader.execute("SELECT 1 FROM sqlite_master").fetchone()

    def _connect(self, mode: str) -> sqlite3.Connection:
        address = f"{self.path.absolute().as_uri()}?mode={mode}"
        return sqlite3.connect(
            address, uri=True, timeout=self._busy_timeout_s, isolation_level=None, check_same_thread=False
        )

    def close(self) -> None:
        """Let go of the file."""
        for connection in (self._reader, self._writer):
            if connection is not None:
                connection.close()
        self._reader = self._writer = None
        if self._lock_file >= 0:
            os.close(self._lock_file)
            self._lock_file = -1

    # -- a cycle

    def commit(self, cycle: Cycle) -> None:
        """Save a cycle, all of it or nothing."""
        with self._transaction() as write:
            for incident in cycle.incidents:
                write.execute("INSERT OR REPLACE INTO incidents VALUES (?, ?, ?, ?, ?, ?)", _incident_row(incident))
            write.executemany(
                "INSERT OR IGNORE INTO outbox (key, receiver, incident_id, created_ms, body) VALUES (?, ?, ?, ?, ?)",
                [(n.key, n.receiver, n.incident.id, n.created_ms, encode(n)) for n in cycle.notifications],
            )
            write.executemany("INSERT OR REPLACE INTO positions VALUES (?, ?)", cycle.positions.items())
            write.executemany("INSERT OR REPLACE INTO states VALUES (?, ?)", cycle.states.items())
            write.executemany("INSERT OR REPLACE INTO snapshots VALUES (?, ?)", cycle.snapshots.items())
            write.executemany("INSERT OR REPLACE INTO cases VALUES (?, ?)", cycle.cases.items())
            write.executemany("DELETE FROM inbox WHERE number = ?", [(number,) for number in cycle.consumed])

    # -- inbox

    def put_events(self, events: Sequence[Event]) -> int:
        """Make events durable; see `Store`."""
        try:
            with self._transaction() as write:
                before = write.execute("SELECT count(*) FROM inbox").fetchone()[0]
                if before + len(events) > MAX_INBOX:
                    raise Overloaded(f"{before} events wait already")
                for event in events:
                    # A later word under the same name takes the place of the earlier one.
                    name = (event.id, event.status, event.time_ms)
                    write.execute("DELETE FROM inbox WHERE id = ? AND status = ? AND time_ms < ?", name)
                    insert = "INSERT OR IGNORE INTO inbox (id, status, time_ms, body) VALUES (?, ?, ?, ?)"
                    write.execute(insert, (*name, encode(event)))
                return int(write.execute("SELECT count(*) FROM inbox").fetchone()[0] - before)
        except StoreError as error:
            if isinstance(cause := error.__cause__, sqlite3.Error) and _is_busy(cause):
                raise Overloaded(str(error)) from error
            raise

    def inbox(self, limit: int = 10_000) -> list[Received]:
        """Events no cycle has consumed, in the order in which they came."""
        rows = self._rows("SELECT number, body FROM inbox ORDER BY number LIMIT ?", (limit,))
        return [Received(number, decode(body, Event)) for number, body in rows]

    # -- incidents and state

    def incidents(
        self,
        *,
        status: Status | None = None,
        service: str | None = None,
        since_ms: int | None = None,
        before_ms: int | None = None,
        limit: int = 100,
    ) -> list[Incident]:
        """Incidents, latest start first; see `Store`."""
        wanted = {
            "status = ?": status,
            "instr(services, ?) > 0": None if service is None else f"{_BETWEEN}{service}{_BETWEEN}",
            "started_ms >= ?": since_ms,
            "started_ms < ?": before_ms,
        }
        given = {rule: value for rule, value in wanted.items() if value is not None}
        where = " AND ".join(given) or "1"
        query = f"SELECT body FROM incidents WHERE {where} ORDER BY started_ms DESC, id LIMIT ?"  # noqa: S608 # own texts
        return [decode(body, Incident) for (body,) in self._rows(query, (*given.values(), limit))]

    def incident(self, incident_id: str) -> Incident | None:
        """One incident."""
        body = self._one("SELECT body FROM incidents WHERE id = ?", incident_id)
        return None if body is None else decode(body, Incident)

    def case(self, incident_id: str) -> bytes | None:
        """The ranking case of an incident."""
        return self._one("SELECT body FROM cases WHERE incident_id = ?", incident_id)

    def positions(self) -> dict[str, int]:
        """How far each source was read."""
        return dict(self._rows("SELECT source, position FROM positions"))

    def snapshot(self, source: str) -> bytes | None:
        """The detector memory of a source."""
        return self._one("SELECT body FROM snapshots WHERE source = ?", source)

    def state(self, name: str) -> bytes | None:
        """A small named blob."""
        return self._one("SELECT body FROM states WHERE name = ?", name)

    # -- outbox

    def pending(self, now_ms: int, limit: int = 100, receiver: str | None = None) -> list[Outgoing]:
        """What may be sent now; see `Store`."""
        return self._outgoing(
            "SELECT body, attempts, next_ms, note FROM outbox AS o WHERE state = 'pending' "
            "AND (next_ms <= ? OR next_ms > ?) AND (? IS NULL OR receiver = ?) AND NOT EXISTS ("
            "SELECT 1 FROM outbox AS e WHERE e.state = 'pending' AND e.receiver = o.receiver "
            "AND e.incident_id = o.incident_id AND e.number < o.number) ORDER BY number LIMIT ?",
            (now_ms, now_ms + MAX_WAIT_MS, receiver, receiver, limit),
        )

    def waiting(self) -> dict[str, int]:
        """Receivers with something in the outbox, and when the first of it may be sent."""
        return dict(
            self._rows(
                "SELECT receiver, min(next_ms) FROM outbox AS o WHERE state = 'pending' AND NOT EXISTS ("
                "SELECT 1 FROM outbox AS e WHERE e.state = 'pending' AND e.receiver = o.receiver "
                "AND e.incident_id = o.incident_id AND e.number < o.number) GROUP BY receiver"
            )
        )

    def done(self, key: str) -> None:
        """The receiver has it."""
        self._mark("UPDATE outbox SET state = 'done', attempts = attempts + 1, note = '' WHERE key = ?", (key,))

    def retry_at(self, key: str, at_ms: int, reason: str) -> None:
        """Try again, not before `at_ms`."""
        self._mark(
            "UPDATE outbox SET next_ms = ?, attempts = attempts + 1, note = ? WHERE key = ?", (at_ms, reason, key)
        )

    def dead(self, key: str, reason: str) -> None:
        """Never try again; it stays visible."""
        self._mark("UPDATE outbox SET state = 'dead', attempts = attempts + 1, note = ? WHERE key = ?", (reason, key))

    def dead_letters(self, limit: int = 100) -> list[Outgoing]:
        """What nobody will be told, latest first."""
        return self._outgoing(
            "SELECT body, attempts, next_ms, note FROM outbox WHERE state = 'dead' ORDER BY number DESC LIMIT ?",
            (limit,),
        )

    # -- receipts

    def receipts(self, receiver: str, incident_id: str) -> dict[str, str]:
        """What a receiver keeps of an incident, by name."""
        query = "SELECT name, value FROM receipts WHERE receiver = ? AND incident_id = ?"
        return dict(self._rows(query, (receiver, incident_id)))

    def receipts_named(self, receiver: str, name: str) -> dict[str, str]:
        """What a receiver keeps under one name, by incident."""
        query = "SELECT incident_id, value FROM receipts WHERE receiver = ? AND name = ?"
        return dict(self._rows(query, (receiver, name)))

    def keep_receipts(self, receiver: str, incident_id: str, values: Mapping[str, str]) -> None:
        """Keep values beside those that are there; "" forgets one."""
        with self._transaction() as write:
            for name, value in values.items():
                key = (receiver, incident_id, name)
                if value:
                    write.execute("INSERT OR REPLACE INTO receipts VALUES (?, ?, ?, ?)", (*key, value))
                else:
                    write.execute("DELETE FROM receipts WHERE receiver = ? AND incident_id = ? AND name = ?", key)

    # -- upkeep

    def prune(self, before_ms: int) -> dict[str, int]:
        """Forget what was resolved, done or dead before, and what belongs to no incident; how much of what."""
        with self._transaction() as write:
            incidents = write.execute("DELETE FROM incidents WHERE resolved_ms < ?", (before_ms,)).rowcount
            notifications = write.execute(
                "DELETE FROM outbox WHERE state != 'pending' AND created_ms < ?", (before_ms,)
            ).rowcount
            # The latest cases may belong to incidents that are still forming and not saved yet.
            cases = write.execute(
                "DELETE FROM cases WHERE rowid <= (SELECT max(rowid) FROM cases) - 1000 "
                "AND NOT EXISTS (SELECT 1 FROM incidents WHERE id = incident_id)"
            ).rowcount
            receipts = write.execute(
                "DELETE FROM receipts WHERE incident_id != '' "
                "AND NOT EXISTS (SELECT 1 FROM incidents WHERE id = incident_id)"
            ).rowcount
            return {"incidents": incidents, "notifications": notifications, "cases": cases, "receipts": receipts}

    def counts(self) -> dict[str, int]:
        """Sizes for metrics: incidents, active, inbox, outbox, dead, bytes."""
        tables = {
            "incidents": "incidents",
            "active": "incidents WHERE status != 'resolved'",
            "inbox": "inbox",
            "outbox": "outbox WHERE state = 'pending'",
            "dead": "outbox WHERE state = 'dead'",
        }
        query = "SELECT count(*) FROM {}"
        sizes = {name: int(self._rows(query.format(table))[0][0]) for name, table in tables.items()}
        with suppress(OSError):
            sizes["bytes"] = self.path.stat().st_size
        return sizes

    # -- SQLite

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._writing:
            if self._writer is None:
                raise StoreError(f"{self.path}: opened for reading only, or closed")
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                yield self._writer
                self._writer.execute("COMMIT")
            except sqlite3.Error as error:
                raise schema.translated(error, self.path) from error
            finally:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")

    def _mark(self, statement: str, values: tuple[object, ...]) -> None:
        with self._transaction() as write:
            write.execute(statement, values)

    def _rows(self, query: str, values: tuple[object, ...] = ()) -> list[Any]:
        with self._reading:
            if self._reader is None:
                raise StoreError(f"{self.path}: closed")
            try:
                return self._reader.execute(query, values).fetchall()
            except sqlite3.Error as error:
                raise schema.translated(error, self.path) from error

    def _one(self, query: str, value: str) -> bytes | None:
        rows = self._rows(query, (value,))
        return bytes(rows[0][0]) if rows else None

    def _outgoing(self, query: str, values: tuple[object, ...]) -> list[Outgoing]:
        rows = self._rows(query, values)
        return [Outgoing(decode(body, Notification), *rest) for body, *rest in rows]


def _incident_row(incident: Incident) -> tuple[object, ...]:
    services = _BETWEEN + _BETWEEN.join(incident.services) + _BETWEEN
    return (incident.id, incident.status, services, incident.started_ms, incident.resolved_ms, encode(incident))


def _is_busy(error: sqlite3.Error) -> bool:
    return schema.primary_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _lock(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StoreError(f"{path}: its folder cannot be written: {error.strerror}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(file)
        raise StoreError(
            f"{path}: another process works with this store; end it first, or give this one a path of its own"
        ) from error
    return file
