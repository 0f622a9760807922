"""Before anything else: kernels compiled for other sources must not be run."""

import logging
import os

import pytest
from hypothesis import settings

from aiops._kernel_cache import use_own_cache

use_own_cache()

# The same examples in every run of CI, so that a change is judged and not the dice; elsewhere they are new each time.
# No deadline for an example: it would tell how busy the machine is.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")

CHATTY = ("httpx", "httpcore", "uvicorn", "urllib3")


def pytest_collection_modifyitems(items):
    """Tests of real services first: they mostly wait, and begun last one of them would hold up the end alone."""
    items.sort(key=lambda item: item.get_closest_marker("service") is None)


@pytest.fixture(autouse=True)
def _logging_stays_as_it_was():
    """Commands set up logging for the whole process; the next test must not hear of it."""
    root, chatty = logging.getLogger(), [logging.getLogger(name) for name in CHATTY]
    handlers, levels = list(root.handlers), [one.level for one in (root, *chatty)]
    yield
    for handler in [h for h in root.handlers if h not in handlers]:
        root.removeHandler(handler)
    for one, level in zip((root, *chatty), levels, strict=True):
        one.setLevel(level)


@pytest.fixture
def store(tmp_path):
    """A new SQLite store, open for as long as the test runs."""
    from aiops.stores.sqlite import open_sqlite

    opened = open_sqlite(tmp_path / "a.sqlite")
    yield opened
    opened.close()
