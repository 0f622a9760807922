"""`aiops migrate`: the tables of a store in another revision."""

from __future__ import annotations

import sys

from aiops.stores.place import migrate_store
from aiops.stores.revisions import HEAD


def migrate_tables(place: str, to: str) -> None:
    """Go to a revision, "" for the newest one, and say so.

    Raises
    ------
    ConfigError : there is no such revision
    StoreError : the store is in use or cannot be opened
    """
    before, after = migrate_store(place, to=to or HEAD)
    sys.stdout.write(f"tables: revision {before or 'none'} -> {after}\n")
