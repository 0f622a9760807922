"""`aiops migrate` and stores named by an address."""

from __future__ import annotations

import pytest

from aiops import config
from aiops.errors import ConfigError, StoreError
from aiops.model import Incident
from aiops.stores import Cycle
from aiops.stores.place import open_store
from aiops.stores.revisions import HEAD, REVISIONS
from tests.services._postgres_server import running_postgres

INCIDENT = Incident("i1", "open", "cart: slow", "warning", 1000, 1000, 1000, services=("cart",))


def test_a_file_goes_back_to_an_older_revision_and_is_brought_up_to_date_again(aiops, tmp_path):
    path = str(tmp_path / "a.sqlite")
    open_store(path).close()
    assert aiops("migrate", "--store", path, "--to", "0001").stdout == f"tables: revision {HEAD} -> 0001\n"
    with pytest.raises(StoreError, match="has schema version 1"):
        open_store(path, read_only=True)
    assert aiops("migrate", "--store", path).stdout == f"tables: revision 0001 -> {HEAD}\n"
    open_store(path, read_only=True).close()


def test_a_revision_that_does_not_exist_is_refused_with_those_that_do(aiops, tmp_path):
    error = aiops("migrate", "--store", tmp_path / "a.sqlite", "--to", "7").exception
    assert isinstance(error, ConfigError)
    assert f"no revision '7'; there are {REVISIONS[0]}" in str(error)


def test_a_file_in_use_is_not_migrated(aiops, tmp_path):
    store = open_store(str(tmp_path / "a.sqlite"))
    error = aiops("migrate", "--store", tmp_path / "a.sqlite", "--to", "0001").exception
    assert isinstance(error, StoreError)
    assert "another process works with this store" in str(error)
    store.close()


def test_a_file_that_is_no_database_is_said_to_be_none(aiops, tmp_path):
    (tmp_path / "a.sqlite").write_bytes(b"this is no database, but a text that is long enough" * 100)
    error = aiops("migrate", "--store", tmp_path / "a.sqlite").exception
    assert isinstance(error, StoreError)
    assert "this is no SQLite file" in str(error)


@pytest.mark.service
def test_incidents_in_postgresql_are_explained_and_its_tables_migrated(aiops):
    with running_postgres() as server:
        assert aiops("migrate", "--store", server.url, "--to", "0001").stdout == "tables: revision none -> 0001\n"
        store = open_store(server.url)
        store.commit(Cycle([INCIDENT]))
        store.close()
        assert "cart: slow" in aiops("explain", "i1", "--store", server.url).stdout
        assert aiops("migrate", "--store", server.url).stdout == f"tables: revision {HEAD} -> {HEAD}\n"


def test_the_address_of_a_store_is_checked_and_shown_without_its_password(aiops, tmp_path):
    path = tmp_path / "aiops.yaml"
    path.write_text("store: {url: 'postgresql://aiops:${WORD}@db.example/aiops'}\n", encoding="utf-8")
    settings = config.load(path, {"WORD": "hidden-word"})
    assert settings.store.place == "postgresql://aiops:hidden-word@db.example/aiops"
    path.write_text("store: {url: 'postgresql://aiops:hidden-word@db.example/aiops'}\n", encoding="utf-8")
    told = aiops("check-config", path).stdout
    assert "state: PostgreSQL at db.example/aiops" in told
    assert "hidden-word" not in told
    with pytest.raises(ConfigError, match=r"store\.url"):
        config.parse("store: {url: 'mysql://h/x'}", where="aiops.yaml")
