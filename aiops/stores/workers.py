"""What several workers share beyond a `Store`: leases, snapshots of partitions, lanes of the outbox.

They need a database that several may write: PostgreSQL.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass

from aiops.detection.accepted import Accepted
from aiops.model import Notification
from aiops.stores._base import Outgoing
from aiops.stores._sql_rows import Lease, lane_of
from aiops.stores.sql import SqlStore
from aiops.wire import decode


class Leases:
    """Who does what only one worker may do.

    Parameters
    ----------
    holder : name of this worker
    for_ms : a lease that is not taken again for so long is free. Clocks of workers must agree within a part of that
    """

    def __init__(self, store: SqlStore, holder: str, for_ms: int) -> None:
        self._database, self._holder, self._for_ms = store.database, holder, for_ms

    def take(self, name: str, now_ms: int) -> Lease | None:
        """Take or renew a lease; None while another worker has it."""
        return self._taken(name, now_ms, "leases.holder = excluded.holder OR leases.until_ms < :now_ms")

    def seize(self, name: str, now_ms: int) -> Lease:
        """Take a lease whoever has it, because Kafka gave us its work; what its last holder commits is refused."""
        lease = self._taken(name, now_ms, "1 = 1")
        assert lease is not None
        return lease

    def leave(self, lease: Lease) -> None:
        """Let another worker have it at once."""
        with self._database.transaction() as write:
            statement = "UPDATE leases SET until_ms = 0 WHERE name = :name AND epoch = :epoch"
            write.run(statement, {"name": lease.name, "epoch": lease.epoch})

    def _taken(self, name: str, now_ms: int, rule: str) -> Lease | None:
        values = {"name": name, "holder": self._holder, "until_ms": now_ms + self._for_ms, "now_ms": now_ms}
        same = "leases.holder = excluded.holder AND leases.until_ms >= :now_ms"
        with self._database.transaction() as write:
            taken = write.run(
                "INSERT INTO leases (name, holder, until_ms, epoch) VALUES (:name, :holder, :until_ms, 1) "  # noqa: S608 # own texts
                "ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until_ms = excluded.until_ms, "
                f"epoch = leases.epoch + CASE WHEN {same} THEN 0 ELSE 1 END WHERE {rule}",
                values,
            )
            if not taken:
                return None
            (row,) = write.rows("SELECT epoch FROM leases WHERE name = :name", {"name": name})
            return Lease(name, int(row[0]))


_ACCEPTED = "accepted/"


def accepted_name(partition: int) -> str:
    """Where the accepted levels of a partition are kept, among the snapshots."""
    return f"{_ACCEPTED}{partition}"


def accepted_levels(store: SqlStore) -> dict[int, list[Accepted]]:
    """The accepted levels of each partition, as it was last kept. Raises `StoreError`."""
    rows = store.database.rows("SELECT source, body FROM snapshots WHERE source LIKE :like", {"like": f"{_ACCEPTED}%"})
    return {int(name.removeprefix(_ACCEPTED)): decode(bytes(body), list[Accepted]) for name, body in rows}


def shared_key(store: SqlStore, name: str) -> bytes:
    """A random key that all workers have in common, made by the first that asks. Raises `StoreError`."""
    with store.database.transaction() as write:
        write.run(
            "INSERT INTO states (name, body) VALUES (:name, :body) ON CONFLICT (name) DO NOTHING",
            {"name": f"key/{name}", "body": secrets.token_bytes(32)},
        )
        return bytes(write.rows("SELECT body FROM states WHERE name = :name", {"name": f"key/{name}"})[0][0])


@dataclass(frozen=True, slots=True)
class PartitionSnapshots:
    """Snapshots of partitions with the offset they go up to. A later one is never replaced by an earlier one."""

    store: SqlStore

    def snapshot(self, source: str) -> bytes | None:
        """The latest snapshot of that name."""
        return self.store.snapshot(source)

    def keep_newer(self, source: str, position: int, snapshot: bytes) -> bool:
        """Keep a snapshot unless a later one is there; tell whether it was kept."""
        with self.store.database.transaction() as write:
            kept = write.run(
                "INSERT INTO positions (source, position) VALUES (:source, :position) "
                "ON CONFLICT (source) DO UPDATE SET position = excluded.position "
                "WHERE positions.position <= excluded.position",
                {"source": source, "position": position},
            )
            if kept:
                write.run(
                    "INSERT INTO snapshots (source, body) VALUES (:source, :body) "
                    "ON CONFLICT (source) DO UPDATE SET body = excluded.body",
                    {"source": source, "body": snapshot},
                )
            return bool(kept)


class LanedOutbox:
    """The outbox as one of several workers sees it: an incident's notifications belong to one lane, so to one worker.

    Parameters
    ----------
    partitions : how many there are
    owned : those of this worker, now
    wanted : tells receivers that are served from here from others
    """

    def __init__(
        self,
        store: SqlStore,
        partitions: int,
        owned: Callable[[], Collection[int]],
        wanted: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self._store, self._partitions, self._owned, self._wanted = store, partitions, owned, wanted

    def pending(self, now_ms: int, limit: int = 100, receiver: str | None = None) -> list[Outgoing]:
        """What this worker may send now; see `Store`."""
        owned = self._owned()
        rows = self._store.pending(now_ms, limit, receiver, lanes=(self._partitions, owned)) if owned else []
        return [row for row in rows if self._wanted(row.notification.receiver)]

    def waiting(self) -> dict[str, int]:
        """Receivers with something of this worker in the outbox, and when the first of it may be sent."""
        owned = self._owned()
        waiting = self._store.waiting(lanes=(self._partitions, owned)) if owned else {}
        return {receiver: due_ms for receiver, due_ms in waiting.items() if self._wanted(receiver)}

    def done(self, key: str) -> None:
        """The receiver has it."""
        self._store.done(key)

    def retry_at(self, key: str, at_ms: int, reason: str, *, failed: bool = True) -> None:
        """Try again, not before `at_ms`."""
        self._store.retry_at(key, at_ms, reason, failed=failed)

    def give_way(self, key: str) -> bool:
        """Leave it out if a later one of its incident waits."""
        return self._store.give_way(key)

    def dead(self, key: str, reason: str) -> None:
        """Never try again; it stays visible."""
        self._store.dead(key, reason)


def notification_partition(incident_id: str, partitions: int) -> int:
    """The partition of an incident's notifications: its lane, as `LanedOutbox` counts."""
    return lane_of(incident_id) % partitions


def unpublished(store: SqlStore, after: int, limit: int = 1000) -> list[tuple[int, Notification]]:
    """Notifications that wait, of higher numbers than `after`, in order."""
    query = "SELECT number, body FROM outbox WHERE state = 'pending' AND number > :after ORDER BY number LIMIT :limit"
    rows = store.database.rows(query, {"after": after, "limit": limit})
    return [(number, decode(body, Notification)) for number, body in rows]
