"""Where a store is, as people write it: the path of a SQLite file, or the address of a PostgreSQL database."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from aiops.errors import ConfigError
from aiops.stores._sqlite_file import revision_of_file, translated
from aiops.stores.revisions import HEAD, REVISIONS
from aiops.stores.sql import SqlStore
from aiops.stores.sqlite import locked_file, open_sqlite


def is_address(place: str) -> bool:
    """Whether a place is an address and not a path."""
    return "://" in place


def open_store(place: str, *, base: Path = Path(), read_only: bool = False) -> SqlStore:
    """Open a store.

    Parameters
    ----------
    place : `postgresql://user:password@host/name`, or a path
    base : folder that a relative path starts from
    read_only : only look at a file, beside the process that writes it

    Raises
    ------
    StoreError, ConfigError : see `open_sqlite` and `open_postgres`
    """
    if not is_address(place):
        return open_sqlite(base / place, read_only=read_only)
    from aiops.stores.postgres import open_postgres

    return open_postgres(place)


def migrate_store(place: str, *, base: Path = Path(), to: str = HEAD) -> tuple[str, str]:
    """Bring the tables of a store to another revision, up or down; nothing else may work with it meanwhile.

    Returns
    -------
    The revision it had and the one it has; "" = no tables

    Raises
    ------
    ConfigError : there is no such revision
    StoreError : the store is in use, cannot be opened, or is of a newer version
    """
    if to not in REVISIONS:
        raise ConfigError("the command line", "--to", f"there is no revision {to!r}; there are {', '.join(REVISIONS)}")
    if is_address(place):
        from aiops.stores.postgres import migrate_address

        return migrate_address(place, to), to
    return _migrate_file(base / place, to), to


def _migrate_file(path: Path, to: str) -> str:
    from aiops.stores.migrations import migrate_sqlite

    with locked_file(path):
        try:
            writer = sqlite3.connect(path, isolation_level=None)
            try:
                revision = revision_of_file(writer, path)
                migrate_sqlite(writer, revision, to)
            finally:
                writer.close()
        except sqlite3.Error as error:
            raise translated(error, path) from error
    return revision
