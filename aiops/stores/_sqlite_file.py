"""The state of a SQLite file: whose it is, of which version, and what SQLite's errors mean for a person."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from aiops.errors import StoreBusy, StoreError
from aiops.stores.revisions import HEAD, is_known

_BUSY = "another program keeps the file locked: end it (a sqlite3 shell, a backup?)"
_MEANING = {
    sqlite3.SQLITE_FULL: "the disk is full: make room; nothing was written and it is tried again",
    sqlite3.SQLITE_IOERR: "the disk cannot be read or written (full, over a quota, or failing): nothing was written",
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
    sqlite3.SQLITE_READONLY: "the file or its folder is read-only: give this user the right to write",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened: check that its folder exists and belongs to this user",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; restore a backup, or move it away to start with an empty store",
    sqlite3.SQLITE_NOTADB: "this is no SQLite file; name another path, or move it away to start with an empty store",
}


def translated(error: sqlite3.Error, path: Path) -> StoreError:
    """An error of SQLite in our words."""
    # The error's class; the extended codes of SQLite keep it in their lowest byte.
    code = int(getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF
    meaning = _MEANING.get(code)
    kind = StoreBusy if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) else StoreError
    return kind(f"{path}: {meaning} ({error})" if meaning else f"{path}: {error}")


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Check the file, make the tables of a new one and bring an older one up to date.

    Raises
    ------
    StoreError : another program's or a newer version's file, or a damaged one
    """
    revision = revision_of_file(connection, path)
    if revision:
        fault = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if fault != "ok":
            raise StoreError(f"{path}: {_MEANING[sqlite3.SQLITE_CORRUPT]} ({fault})")
    if revision != HEAD:
        # SQLAlchemy and alembic take half a second to import: only when there is something to do.
        from aiops.stores.migrations import migrate_sqlite

        migrate_sqlite(connection, revision, HEAD)


def check(connection: sqlite3.Connection, path: Path) -> None:
    """Check that the tables are the ones this program knows; `StoreError` if not."""
    revision = revision_of_file(connection, path)
    if revision != HEAD:
        raise StoreError(
            f"{path}: has schema version {int(revision or 0)}, this program needs {int(HEAD)}: start the service once, "
            "which brings it up to date, or run `aiops migrate`"
        )


def revision_of_file(connection: sqlite3.Connection, path: Path) -> str:
    """The revision of the tables; "" = the file is empty."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if version == 0 and tables == 0:
        return ""
    revision = f"{version:04d}"
    if not is_known(revision):
        raise StoreError(
            f"{path}: has schema version {version}, this program needs {int(HEAD)}: run the version that wrote it, "
            "or move the file away to start with an empty store"
        )
    return revision
