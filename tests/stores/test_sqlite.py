from __future__ import annotations

import sqlite3
import threading

import pytest

from aiops.errors import StoreError
from aiops.model import Incident
from aiops.stores import Cycle
from aiops.stores.revisions import HEAD
from aiops.stores.sqlite import open_sqlite

INCIDENT = Incident("i3", "open", "cart: slow", "warning", 1000, 1000, 1000, services=("cart", "db"))


@pytest.fixture
def store(tmp_path):
    store = open_sqlite(tmp_path / "a.sqlite")
    yield store
    store.close()


def test_a_reader_beside_the_writer_sees_what_is_saved_and_writes_nothing(store):
    reader = open_sqlite(store.database.path, read_only=True)
    store.commit(Cycle([INCIDENT]))
    assert [i.id for i in reader.incidents()] == ["i3"]
    with pytest.raises(StoreError, match="for reading only"):
        reader.commit(Cycle())
    reader.close()
    with pytest.raises(StoreError, match="closed"):
        reader.incidents()


def test_commits_are_on_the_disk_when_they_return(store):
    assert store.database.writer.execute("PRAGMA synchronous").fetchone() == (2,), "FULL"
    assert store.database.writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    with sqlite3.connect(store.database.path) as other:
        assert other.execute("PRAGMA user_version").fetchone() == (int(HEAD),)
    other.close()


def test_closing_waits_for_a_call_that_is_under_way_in_another_thread(tmp_path):
    store = open_sqlite(tmp_path / "a.sqlite")
    inside, go_on, done = threading.Event(), threading.Event(), []

    def work():
        with store.database.transaction() as write:
            inside.set()
            assert go_on.wait(60)
            done.append(write.rows("SELECT count(*) FROM inbox"))

    worker, closer = threading.Thread(target=work), threading.Thread(target=store.close)
    worker.start()
    assert inside.wait(60)
    closer.start()
    closer.join(0.05)
    assert closer.is_alive()
    go_on.set()
    worker.join()
    closer.join()
    assert [list(map(tuple, rows)) for rows in done] == [[(0,)]]
