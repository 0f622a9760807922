"""Tables of every revision, up and down, with rows in them; on a real SQLite file and in a real PostgreSQL."""

from __future__ import annotations

import sqlite3
import threading

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory

from aiops.errors import StoreError
from aiops.model import Incident
from aiops.stores import Cycle, migrations
from aiops.stores.migrations import migrate_postgres, migrate_sqlite, revision_of
from aiops.stores.postgres import open_postgres
from aiops.stores.revisions import HEAD, REVISIONS
from aiops.stores.sqlite import open_sqlite

# The tables as the first version made them, before there was alembic.
FIRST_VERSION = """
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
INSERT INTO cases VALUES ('i1', x'01'), ('i2', x'02');
INSERT INTO positions VALUES ('prom', 7);
INSERT INTO inbox (id, status, time_ms, body) VALUES ('e', 'firing', 3, x'03');
PRAGMA user_version = 1;
"""


class Tables:
    """A database whose tables can be moved between revisions."""

    def __init__(self, engine: sa.Engine, writer: sqlite3.Connection | None = None) -> None:
        self.engine, self.writer, self.at = engine, writer, ""

    def move(self, to: str) -> None:
        if self.writer is None:
            migrate_postgres(self.engine, to)
        else:
            migrate_sqlite(self.writer, self.at, to)
        self.at = to

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query))]

    def shape(self) -> dict[str, tuple[list[tuple[str, bool]], list[str]]]:
        """Names and columns of all tables, with their indexes."""
        look = sa.inspect(self.engine)
        return {
            name: (
                sorted((c["name"], c["nullable"]) for c in look.get_columns(name)),
                sorted(index["name"] or "" for index in look.get_indexes(name)),
            )
            for name in look.get_table_names()
            if name not in ("alembic_version", "sqlite_sequence")
        }


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.service)])
def tables(request, tmp_path):
    if request.param == "sqlite":
        writer = sqlite3.connect(tmp_path / "a.sqlite", isolation_level=None, check_same_thread=False)
        engine = sa.create_engine("sqlite://", creator=lambda: writer, poolclass=sa.StaticPool)
        yield Tables(engine, writer)
        writer.close()
    else:
        url = request.getfixturevalue("postgres").make_database(tmp_path.name)
        engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
        yield Tables(engine)
        engine.dispose()


def test_every_revision_can_be_gone_to_from_every_other_one(tables):
    shapes = {"": {}}
    for revision in REVISIONS:
        tables.move(revision)
        shapes[revision] = tables.shape()
    for there in reversed(("", *REVISIONS)):
        for back in ("", *REVISIONS):
            tables.move(there)
            assert tables.shape() == shapes[there]
            tables.move(back)
            assert tables.shape() == shapes[back]


def test_numbering_cases_keeps_them_and_can_be_undone(tables):
    tables.move("0002")
    with tables.engine.begin() as connection:
        insert = sa.text("INSERT INTO cases (incident_id, body) VALUES ('i1', :a), ('i2', :b)")
        connection.execute(insert, {"a": b"1", "b": b"2"})
    tables.move("0003")
    rows = tables.rows("SELECT number, incident_id, body FROM cases ORDER BY number")
    assert [(number, name, bytes(body)) for number, name, body in rows] == [(1, "i1", b"1"), (2, "i2", b"2")]
    tables.move("0002")
    assert [name for (name,) in tables.rows("SELECT incident_id FROM cases ORDER BY incident_id")] == ["i1", "i2"]


def test_the_revisions_that_are_named_are_the_files_that_are_there():
    scripts = ScriptDirectory.from_config(migrations._config())
    assert tuple(s.revision for s in reversed(list(scripts.walk_revisions()))) == REVISIONS
    assert isinstance(migrations._config(), Config)


def test_a_file_of_the_first_version_is_brought_up_to_date_with_all_that_is_in_it(tmp_path):
    path = tmp_path / "a.sqlite"
    first = sqlite3.connect(path)
    first.executescript(FIRST_VERSION)
    first.close()
    with pytest.raises(StoreError, match=r"has schema version 1.*start the service once"):
        open_sqlite(path, read_only=True)
    store = open_sqlite(path)
    assert (store.case("i1"), store.case("i2"), store.positions()) == (b"\x01", b"\x02", {"prom": 7})
    assert store.counts()["inbox"] == 1
    assert store.database.writer.execute("PRAGMA user_version").fetchone() == (int(HEAD),), "older programs refuse it"
    store.close()
    open_sqlite(path, read_only=True).close()


def test_a_first_version_file_has_the_tables_of_the_first_revision(tmp_path):
    shapes = []
    for name, script in (("old", FIRST_VERSION), ("new", "")):
        writer = sqlite3.connect(tmp_path / name, isolation_level=None)
        writer.executescript(script)
        tables = Tables(sa.create_engine("sqlite://", creator=lambda w=writer: w, poolclass=sa.StaticPool), writer)
        if not script:
            tables.move("0001")
        shapes.append({t: ([c for c, _ in columns], indexes) for t, (columns, indexes) in tables.shape().items()})
        writer.close()
    assert shapes[0] == shapes[1]


@pytest.mark.service
def test_workers_that_start_at_once_make_the_tables_once(postgres, tmp_path):
    url, faults = postgres.make_database(tmp_path.name), []

    def start(number):
        try:
            store = open_postgres(url, connections=2)
            store.commit(Cycle([Incident(f"i{number}", "open", "t", "warning", 1, 1, 1)]))
            store.close()
        except Exception as error:  # noqa: BLE001  # a thread must hand its fault over
            faults.append(error)

    threads = [threading.Thread(target=start, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    store = open_postgres(url)
    assert store.counts()["incidents"] == 4
    store.close()
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        assert revision_of(connection) == HEAD
    engine.dispose()
