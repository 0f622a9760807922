"""The store of a service, to look into."""

from __future__ import annotations

from pathlib import Path

from aiops.errors import InputError
from aiops.model import Incident
from aiops.stores.place import is_address, open_store
from aiops.stores.sql import SqlStore


def opened(place: str) -> SqlStore:
    """A store for reading, beside the service that writes to it. Raises `InputError` when there is none."""
    if not is_address(place) and not Path(place).is_file():
        raise InputError(
            f"{place}: there is no store; --store names the service's SQLite file or postgresql:// address"
        )
    return open_store(place, read_only=True)


def found(store: SqlStore, incident_id: str) -> Incident:
    """The incident of that id, or whose id begins so. Raises `InputError` unless there is exactly one."""
    if (incident := store.incident(incident_id)) is not None:
        return incident
    known = store.incidents(limit=1000)
    matching = [i for i in known if incident_id and i.id.startswith(incident_id)]
    if len(matching) == 1:
        return matching[0]
    listed = ", ".join(i.id for i in (matching or known)[:5]) or "none"
    what = "several incidents begin so" if matching else "there is no such incident"
    raise InputError(f"{incident_id!r}: {what} in {store.database.name}; the latest are {listed}")
