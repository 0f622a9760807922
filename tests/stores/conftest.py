from __future__ import annotations

import pytest

from aiops.stores.postgres import open_postgres
from aiops.stores.sqlite import open_sqlite
from tests.services._postgres_server import running_postgres


@pytest.fixture(scope="session")
def postgres():
    """A real server for all tests of stores."""
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.service)])
def opened(request, tmp_path):
    """Opens one and the same store, as often as it is called."""
    if request.param == "sqlite":
        return lambda: open_sqlite(tmp_path / "state dir" / "aiops #1.sqlite")
    url = request.getfixturevalue("postgres").make_database(tmp_path.name)
    return lambda: open_postgres(url)


@pytest.fixture
def store(opened):
    store = opened()
    yield store
    store.close()
