"""State in one SQLite file: the embedded default.

Rule 1. WAL with `synchronous=FULL`: a commit is on the disk when it returns. NORMAL would survive kill -9 too, but a
power cut could take the last commits with it, and with them alerts whose sender has been told that we have them.
Rule 2. One process writes: the lock on `<path>.lock` dies with its process, so nobody has to clean up after a crash.
Rule 3. A damaged file is refused at the start. Starting afresh would lose open incidents and untold notifications
silently.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiops.errors import StoreError
from aiops.stores import _sqlite_file as file
from aiops.stores._database import Values
from aiops.stores.sql import SqlStore

BUSY_TIMEOUT_S = 5.0
"""How long a writer waits for another program's lock: SQLite's usual choice."""


def open_sqlite(path: Path, *, read_only: bool = False, busy_timeout_s: float = BUSY_TIMEOUT_S) -> SqlStore:
    """A store in the file `path`; its folder is made if it is missing, an older file is brought up to date.

    Parameters
    ----------
    read_only : only look, beside a process that writes; then everything that writes raises StoreError

    Raises
    ------
    StoreError : the file is in use, damaged, of a newer version, or cannot be opened
    """
    return SqlStore(SqliteDatabase(path, read_only=read_only, busy_timeout_s=busy_timeout_s))


class SqliteDatabase:
    """A `Database` in a file: one connection that writes, one that reads; see `open_sqlite`."""

    def __init__(self, path: Path, *, read_only: bool, busy_timeout_s: float) -> None:
        self.name = str(path)
        self.path = path
        self._busy_timeout_s = busy_timeout_s
        self._writing, self._reading = threading.Lock(), threading.Lock()
        self.writer: sqlite3.Connection | None = None
        self.reader: sqlite3.Connection | None = None
        self._lock_file = -1 if read_only else _lock(path)
        try:
            self._open(read_only=read_only)
        except sqlite3.Error as error:
            self.close()
            raise file.translated(error, path) from error
        except StoreError:
            self.close()
            raise

    def _open(self, *, read_only: bool) -> None:
        if not read_only:
            self.writer = self._connect("rwc")
            file.prepare(self.writer, self.path)
            self.writer.execute("PRAGMA journal_mode = WAL")
            self.writer.execute("PRAGMA synchronous = FULL")
            # A large snapshot makes the log grow once; it must not keep that size.
            self.writer.execute(f"PRAGMA journal_size_limit = {64 * 2**20}")
        self.reader = self._connect("ro")
        file.check(self.reader, self.path)

    def _connect(self, mode: str) -> sqlite3.Connection:
        address = f"{self.path.absolute().as_uri()}?mode={mode}"
        return sqlite3.connect(
            address, uri=True, timeout=self._busy_timeout_s, isolation_level=None, check_same_thread=False
        )

    def close(self) -> None:
        """Let go of the file, once the calls under way in other threads have ended: SQLite would crash under them."""
        with self._writing, self._reading:
            for connection in (self.reader, self.writer):
                if connection is not None:
                    connection.close()
            self.reader = self.writer = None
        if self._lock_file >= 0:
            os.close(self._lock_file)
            self._lock_file = -1

    @contextmanager
    def transaction(self) -> Iterator[_Transaction]:
        """A transaction that takes the file's write lock at once."""
        with self._writing:
            if self.writer is None:
                raise StoreError(f"{self.path}: opened for reading only, or closed")
            try:
                self.writer.execute("BEGIN IMMEDIATE")
                yield _Transaction(self.writer)
                self.writer.execute("COMMIT")
            except sqlite3.Error as error:
                raise file.translated(error, self.path) from error
            finally:
                if self.writer.in_transaction:
                    self.writer.execute("ROLLBACK")

    def rows(self, query: str, values: Values = {}) -> Sequence[Sequence[Any]]:  # noqa: B006 - nobody changes it
        """All rows of a query."""
        with self._reading:
            if self.reader is None:
                raise StoreError(f"{self.path}: closed")
            try:
                return self.reader.execute(query, values).fetchall()
            except sqlite3.Error as error:
                raise file.translated(error, self.path) from error

    def size_bytes(self) -> int | None:
        """Size of the file."""
        try:
            return self.path.stat().st_size
        except OSError:
            return None


class _Transaction:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def run(self, statement: str, values: Values | Sequence[Values]) -> int:
        if isinstance(values, Sequence):
            return self._connection.executemany(statement, values).rowcount
        return self._connection.execute(statement, values).rowcount

    def rows(self, query: str, values: Values = {}) -> Sequence[Sequence[Any]]:  # noqa: B006 - nobody changes it
        return self._connection.execute(query, values).fetchall()


@contextmanager
def locked_file(path: Path) -> Iterator[None]:
    """Hold the lock of the one process that may write; `StoreError` if another has it."""
    lock = _lock(path)
    try:
        yield
    finally:
        os.close(lock)


def _lock(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StoreError(f"{path}: its folder cannot be written: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise StoreError(
            f"{path}: another process works with this store; end it first, or give this one a path of its own"
        ) from error
    return lock
