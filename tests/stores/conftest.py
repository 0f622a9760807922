from __future__ import annotations

import pytest

from tests.services._postgres_server import running_postgres


@pytest.fixture(scope="session")
def postgres():
    """A real server for all tests of stores."""
    with running_postgres() as server:
        yield server
