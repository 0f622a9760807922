"""Brings the tables of a store to another revision, up or down, with alembic; SQLite and PostgreSQL alike.

A step is one transaction: it is done whole or not at all. Each revision is a file in `versions`.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from aiops.stores.revisions import REVISIONS

_UPGRADE_LOCK = 5_221_948_172  # chosen: a number nobody else uses for an advisory lock


def migrate(connection: sa.Connection, to: str) -> None:
    """Bring the tables of a database to revision `to` (a name from `revisions.REVISIONS`, or "" for no tables)."""
    config = _config()
    config.attributes["connection"] = connection
    goes_up = ("", *REVISIONS).index(to) >= ("", *REVISIONS).index(revision_of(connection))
    (command.upgrade if goes_up else command.downgrade)(config, to or "base")


def revision_of(connection: sa.Connection) -> str:
    """The revision the tables have; "" = there are none."""
    return MigrationContext.configure(connection).get_current_revision() or ""


def migrate_postgres(engine: sa.Engine, to: str) -> None:
    """The same for a PostgreSQL database; of workers that start at once, one does it and the others wait."""
    with engine.begin() as connection:
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:number)"), {"number": _UPGRADE_LOCK})
        migrate(connection, to)


def migrate_sqlite(writer: sqlite3.Connection, revision: str, to: str) -> None:
    """The same for an open SQLite file whose tables have `revision`.

    Files from before there was alembic carry their version in `PRAGMA user_version` alone; it is kept up for the sake
    of older programs, which refuse a version they do not know.
    """
    engine = sa.create_engine("sqlite://", creator=lambda: writer, poolclass=sa.StaticPool)
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        if revision and not revision_of(connection):
            MigrationContext.configure(connection).stamp(ScriptDirectory.from_config(_config()), revision)
        migrate(connection, to)
        connection.exec_driver_sql(f"PRAGMA user_version = {int(to or 0)}")
        connection.commit()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config
