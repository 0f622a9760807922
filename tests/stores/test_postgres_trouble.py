"""Everything that goes wrong with a server, done for real."""

from __future__ import annotations

import builtins

import pytest

from aiops.errors import ConfigError, Overloaded, StoreBusy, StoreError
from aiops.model import Event
from aiops.stores import Cycle
from aiops.stores.postgres import open_postgres
from tests.services._postgres_server import PASSWORD, running_postgres

EVENT = Event("a", 1, "cart", "alert", status="firing")


@pytest.mark.service
def test_a_server_that_goes_and_comes_back_loses_nothing_that_was_committed():
    with running_postgres() as server:
        store = open_postgres(server.url)
        store.commit(Cycle(positions={"prom": 1}))
        server.stop()
        with pytest.raises(StoreBusy, match="is the server up and reachable") as gone:
            store.commit(Cycle(positions={"prom": 2}))
        with pytest.raises(Overloaded):
            store.put_events([EVENT])
        assert PASSWORD not in str(gone.value)
        server.start()
        assert store.positions() == {"prom": 1}
        store.commit(Cycle(positions={"prom": 2}))
        assert store.positions() == {"prom": 2}
        store.close()


@pytest.mark.service
def test_tables_of_a_newer_version_are_refused(postgres, tmp_path):
    url = postgres.make_database(tmp_path.name)
    store = open_postgres(url)
    with store.database.transaction() as write:
        write.run("UPDATE alembic_version SET version_num = '9999'", {})
    store.close()
    with pytest.raises(StoreError, match="has schema version 9999, this program needs"):
        open_postgres(url)


@pytest.mark.service
def test_what_the_server_says_is_told_without_values_of_customers(postgres, tmp_path):
    store = open_postgres(postgres.make_database(tmp_path.name))
    with store.database.transaction() as write:
        write.run("DROP TABLE states", {})
    with pytest.raises(StoreError, match='relation "states" does not exist') as fault:
        store.commit(Cycle(states={"customer-label": b"x"}))
    assert "customer-label" not in str(fault.value)
    assert PASSWORD not in str(fault.value)
    store.close()


def test_a_server_that_is_not_there_is_named_without_the_password():
    with pytest.raises(StoreBusy, match=r"postgresql\+psycopg://aiops:\*\*\*@127.0.0.1:1/x") as fault:
        open_postgres("postgresql://aiops:hidden-word@127.0.0.1:1/x")
    assert "hidden-word" not in str(fault.value)


@pytest.mark.parametrize(
    ("url", "rule"), [("mysql://h/x", "must begin with postgresql://"), ("nonsense", "must be postgresql://user")]
)
def test_an_address_that_is_none_is_refused(url, rule):
    with pytest.raises(ConfigError, match=rule):
        open_postgres(url)


def test_without_the_extra_it_is_said_how_to_get_it(monkeypatch):
    real = builtins.__import__

    def no_driver(name, *args, **kwargs):
        if name == "psycopg":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_driver)
    with pytest.raises(ConfigError, match=r"aiops-oncall\[postgres\]"):
        open_postgres("postgresql://h/x")
