"""The tables of the SQLite store, and what SQLite's errors mean for a person."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from aiops.errors import StoreError

_FIRST = """
CREATE TABLE incidents (
    id TEXT PRIMARY KEY, status TEXT NOT NULL, services TEXT NOT NULL,
    started_ms INTEGER NOT NULL, resolved_ms INTEGER, body BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX incidents_by_start ON incidents (started_ms);
CREATE TABLE cases (incident_id TEXT PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE positions (source TEXT PRIMARY KEY, position INTEGER NOT NULL);
CREATE TABLE snapshots (source TEXT PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE states (name TEXT PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE inbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, status TEXT NOT NULL,
    time_ms INTEGER NOT NULL, body BLOB NOT NULL, UNIQUE (id, status)
);
CREATE TABLE outbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, receiver TEXT NOT NULL,
    incident_id TEXT NOT NULL, created_ms INTEGER NOT NULL, body BLOB NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending', attempts INTEGER NOT NULL DEFAULT 0,
    next_ms INTEGER NOT NULL DEFAULT 0, note TEXT NOT NULL DEFAULT ''
);
CREATE INDEX outbox_pending ON outbox (receiver, incident_id, number) WHERE state = 'pending';
CREATE INDEX outbox_dead ON outbox (number) WHERE state = 'dead';
"""

_RECEIPTS = """
CREATE TABLE receipts (
    receiver TEXT NOT NULL, incident_id TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (receiver, incident_id, name)
) WITHOUT ROWID;
"""

STEPS = (_FIRST, _RECEIPTS)
"""Each brings a file of the version before it to the next one; the number of steps taken is `PRAGMA user_version`."""
VERSION = len(STEPS)

_MEANING = {
    sqlite3.SQLITE_FULL: "the disk is full: make room; nothing was written and it is tried again",
    sqlite3.SQLITE_IOERR: "the disk cannot be read or written (full, over a quota, or failing): nothing was written",
    sqlite3.SQLITE_BUSY: "another program keeps the file locked: end it (a sqlite3 shell, a backup?)",
    sqlite3.SQLITE_LOCKED: "another program keeps the file locked: end it (a sqlite3 shell, a backup?)",
    sqlite3.SQLITE_READONLY: "the file or its folder is read-only: give this user the right to write",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened: check that its folder exists and belongs to this user",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; restore a backup, or move it away to start with an empty store",
    sqlite3.SQLITE_NOTADB: "this is no SQLite file; name another path, or move it away to start with an empty store",
}


def translated(error: sqlite3.Error, path: Path) -> StoreError:
    """An error of SQLite in our words."""
    code = primary_code(error)
    meaning = _MEANING.get(code)
    return StoreError(f"{path}: {meaning} ({error})" if meaning else f"{path}: {error}")


def primary_code(error: sqlite3.Error) -> int:
    """The error's class; the extended codes of SQLite keep it in their lowest byte."""
    return int(getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Check the file, make the tables of a new one, and bring an older one up to date.

    Raises
    ------
    StoreError : another program's or a newer version's file, or a damaged one
    """
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if version > VERSION or (version == 0 and tables > 0):
        raise StoreError(
            f"{path}: has schema version {version}, this program needs {VERSION}: run the version that wrote it, "
            "or move the file away to start with an empty store"
        )
    if tables > 0:
        fault = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if fault != "ok":
            raise StoreError(f"{path}: {_MEANING[sqlite3.SQLITE_CORRUPT]} ({fault})")
    if missing := "".join(STEPS[version:]):
        connection.executescript(f"BEGIN IMMEDIATE; {missing} PRAGMA user_version = {VERSION}; COMMIT;")
