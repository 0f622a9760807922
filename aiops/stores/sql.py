"""State in a SQL database: the same statements for SQLite (embedded) and PostgreSQL (several workers).

Rule 1. A cycle is one transaction. After a crash the database holds whole cycles only.
Rule 2. Rows hold nouns as bytes of `aiops.wire`; columns beside them are only what is searched for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from aiops.errors import Overloaded, StoreBusy, StoreError
from aiops.model import Event, Incident, Notification, Status, Suppressed, Verdict
from aiops.stores._base import Cycle, Outgoing, Received
from aiops.stores._database import Database, Values, Write
from aiops.stores._sql_rows import (
    BETWEEN,
    Lanes,
    Lease,
    count,
    incident_row,
    inside,
    literal,
    outbox_row,
    pairs,
    upsert,
)
from aiops.wire import decode, encode

MAX_INBOX = 100_000
"""Events that may wait, about 100 MB: chosen, ten times the largest alert storm asked for."""
MAX_WAIT_MS = 2 * 3_600_000
"""A retry further away than this was set by a clock that was wrong: it is due. Twice the longest wait delivery sets."""
_FIRST = (
    "state = 'pending' AND NOT EXISTS (SELECT 1 FROM outbox AS e WHERE e.state = 'pending' "
    "AND e.receiver = o.receiver AND e.incident_id = o.incident_id AND e.number < o.number)"
)
"""Of each receiver and incident only the first that is not done: order is kept."""

_ROWS = "SELECT body, attempts, next_ms, note, since_ms, state FROM outbox"

_SUPPRESS = (
    "INSERT INTO suppressed (item_id, reason, subject, service, incident_id, first_ms, last_ms, count) "
    "VALUES (:item_id, :reason, :subject, :service, :incident_id, :first_ms, :last_ms, :count) "
    "ON CONFLICT (item_id, reason) DO UPDATE SET last_ms = excluded.last_ms, incident_id = excluded.incident_id, "
    "count = suppressed.count + excluded.count"
)


class SqlStore:
    """A `Store` in a SQL database.

    Attributes
    ----------
    lease : while it is set, commits count only as long as nobody else has taken it
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.lease: Lease | None = None

    def close(self) -> None:
        """Let go of the database."""
        self.database.close()

    # -- a cycle

    def commit(self, cycle: Cycle) -> None:
        """Save a cycle, all of it or nothing."""
        # Encoded before the transaction: senders of alerts wait while it is open.
        incidents = [incident_row(incident) for incident in cycle.incidents]
        notifications = [outbox_row(notification) for notification in cycle.notifications]
        with self.database.transaction() as write:
            self._check_lease(write)
            write.run(
                "INSERT INTO incidents (id, status, services, started_ms, resolved_ms, body) "
                "VALUES (:id, :status, :services, :started_ms, :resolved_ms, :body) ON CONFLICT (id) DO UPDATE SET "
                "status = excluded.status, services = excluded.services, started_ms = excluded.started_ms, "
                "resolved_ms = excluded.resolved_ms, body = excluded.body",
                incidents,
            )
            write.run(
                "INSERT INTO outbox (key, receiver, incident_id, lane, created_ms, body) "
                "VALUES (:key, :receiver, :incident_id, :lane, :created_ms, :body) ON CONFLICT (key) DO NOTHING",
                notifications,
            )
            upsert(write, "positions", ("source", "position"), cycle.positions.items())
            upsert(write, "states", ("name", "body"), cycle.states.items())
            upsert(write, "snapshots", ("source", "body"), cycle.snapshots.items())
            upsert(write, "cases", ("incident_id", "body"), cycle.cases.items())
            write.run("DELETE FROM inbox WHERE number = :number", [{"number": n} for n in cycle.consumed])
            write.run(_SUPPRESS, [asdict(one) for one in cycle.suppressed])

    # -- inbox

    def put_events(self, events: Sequence[Event]) -> int:
        """Make events durable; see `Store`."""
        try:
            with self.database.transaction() as write:
                before = count(write, "inbox")
                if before + len(events) > MAX_INBOX:
                    raise Overloaded(f"{before} events wait already")
                for event in events:
                    name = {"id": event.id, "status": event.status, "time_ms": event.time_ms}
                    # A later word under the same name takes the place of the earlier one.
                    write.run("DELETE FROM inbox WHERE id = :id AND status = :status AND time_ms < :time_ms", name)
                    write.run(
                        "INSERT INTO inbox (id, status, time_ms, body) VALUES (:id, :status, :time_ms, :body) "
                        "ON CONFLICT (id, status) DO NOTHING",
                        {**name, "body": encode(event)},
                    )
                return count(write, "inbox") - before
        except StoreBusy as error:
            raise Overloaded(str(error)) from error

    def inbox(self, limit: int = 10_000) -> list[Received]:
        """Events no cycle has consumed, in the order in which they came."""
        rows = self.database.rows("SELECT number, body FROM inbox ORDER BY number LIMIT :limit", {"limit": limit})
        return [Received(number, decode(body, Event)) for number, body in rows]

    # -- incidents and state

    def incidents(
        self,
        *,
        status: Status | None = None,
        service: str | None = None,
        since_ms: int | None = None,
        before_ms: int | None = None,
        limit: int = 100,
    ) -> list[Incident]:
        """Incidents, latest start first; see `Store`."""
        rules = {
            "status": "status = :status",
            "service": "services LIKE :service ESCAPE '!'",
            "since_ms": "started_ms >= :since_ms",
            "before_ms": "started_ms < :before_ms",
        }
        wanted = {"status": status, "service": service, "since_ms": since_ms, "before_ms": before_ms}
        given: dict[str, object] = {name: value for name, value in wanted.items() if value is not None}
        if service is not None:
            given["service"] = f"%{BETWEEN}{literal(service)}{BETWEEN}%"
        where = " AND ".join(rules[name] for name in given) or "1 = 1"
        query = f"SELECT body FROM incidents WHERE {where} ORDER BY started_ms DESC, id LIMIT :limit"  # noqa: S608 # own texts
        return [decode(body, Incident) for (body,) in self.database.rows(query, given | {"limit": limit})]

    def incident(self, incident_id: str) -> Incident | None:
        """One incident."""
        body = self._one("SELECT body FROM incidents WHERE id = :name", incident_id)
        return None if body is None else decode(body, Incident)

    def case(self, incident_id: str) -> bytes | None:
        """The ranking case of an incident."""
        return self._one("SELECT body FROM cases WHERE incident_id = :name", incident_id)

    def positions(self) -> dict[str, int]:
        """How far each source was read."""
        return pairs(self.database.rows("SELECT source, position FROM positions"))

    def snapshot(self, source: str) -> bytes | None:
        """The detector memory of a source."""
        return self._one("SELECT body FROM snapshots WHERE source = :name", source)

    def state(self, name: str) -> bytes | None:
        """A small named blob."""
        return self._one("SELECT body FROM states WHERE name = :name", name)

    # -- outbox

    def pending(
        self, now_ms: int, limit: int = 100, receiver: str | None = None, lanes: Lanes | None = None
    ) -> list[Outgoing]:
        """What may be sent now; see `Store`. `lanes`: only of these."""
        rule, values = inside(lanes)
        values |= {"now_ms": now_ms, "wrong_ms": now_ms + MAX_WAIT_MS, "receiver": receiver, "limit": limit}
        return self._outgoing(
            f"{_ROWS} AS o WHERE (next_ms <= :now_ms OR next_ms > :wrong_ms) AND (CAST(:receiver AS TEXT) IS NULL "
            f"OR receiver = :receiver) AND {rule} AND {_FIRST} ORDER BY number LIMIT :limit",
            values,
        )

    def waiting(self, lanes: Lanes | None = None) -> dict[str, int]:
        """Receivers with something in the outbox, and when the first of it may be sent."""
        rule, values = inside(lanes)
        query = f"SELECT receiver, min(next_ms) FROM outbox AS o WHERE {rule} AND {_FIRST} GROUP BY receiver"  # noqa: S608 # own texts
        return pairs(self.database.rows(query, values))

    def done(self, key: str) -> None:
        """The receiver has it."""
        self._mark("UPDATE outbox SET state = 'done', attempts = attempts + 1, note = '' WHERE key = :key", key)

    def retry_at(self, key: str, at_ms: int, reason: str, *, failed: bool = True) -> None:
        """Try again, not before `at_ms`."""
        statement = "UPDATE outbox SET next_ms = :at_ms, attempts = attempts + :tries, note = :reason WHERE key = :key"
        self._mark(statement, key, at_ms=at_ms, reason=reason, tries=int(failed))

    def give_way(self, key: str) -> bool:
        """Leave it out if more of its incident waits for the same receiver; see `Store`."""
        statement = (
            "UPDATE outbox AS o SET state = 'done', note = :note WHERE key = :key "
            "AND EXISTS (SELECT 1 FROM outbox AS l WHERE l.state = 'pending' AND l.receiver = o.receiver "
            "AND l.incident_id = o.incident_id AND l.number > o.number)"
        )
        return self._mark(statement, key, note="not sent: a later one said it all") > 0

    def dead(self, key: str, reason: str) -> None:
        """Never try again; it stays visible."""
        statement = "UPDATE outbox SET state = 'dead', attempts = attempts + 1, note = :reason WHERE key = :key"
        self._mark(statement, key, reason=reason)

    def dead_letters(self, limit: int = 100) -> list[Outgoing]:
        """What nobody will be told, latest first."""
        return self._outgoing(
            f"{_ROWS} WHERE state = 'dead' ORDER BY number DESC LIMIT :limit",
            {"limit": limit},
        )

    def put_back(self, keys: Sequence[str], now_ms: int) -> int:
        """Try dead letters again as if they were new; how many there were among these."""
        statement = (
            "UPDATE outbox SET state = 'pending', attempts = 0, next_ms = 0, since_ms = :now_ms "
            "WHERE key = :key AND state = 'dead'"
        )
        with self.database.transaction() as write:
            return sum(write.run(statement, {"key": key, "now_ms": now_ms}) for key in keys)

    def outgoing(self, incident_id: str) -> list[Outgoing]:
        """Everything that was or is to be sent of an incident, in order."""
        return self._outgoing(
            f"{_ROWS} WHERE incident_id = :incident_id ORDER BY number",
            {"incident_id": incident_id},
        )

    # -- what people say, and what they were not told

    def suppressed(self, *, since_ms: int = 0, incident_id: str = "", limit: int = 1000) -> list[Suppressed]:
        """What nobody was told of by itself, latest first; see `Store`."""
        rows = self.database.rows(
            "SELECT item_id, subject, service, reason, first_ms, last_ms, incident_id, count FROM suppressed "
            "WHERE last_ms >= :since_ms AND (:incident_id = '' OR incident_id = :incident_id) "
            "ORDER BY last_ms DESC, item_id, reason LIMIT :limit",
            {"since_ms": since_ms, "incident_id": incident_id, "limit": limit},
        )
        return [Suppressed(*row) for row in rows]

    def put_verdict(self, verdict: Verdict) -> None:
        """Keep a verdict, in the place of one with its id."""
        values = {"id": verdict.id, "incident_id": verdict.incident_id, "at_ms": verdict.at_ms}
        with self.database.transaction() as write:
            write.run(
                "INSERT INTO verdicts (id, incident_id, at_ms, until_ms, body) "
                "VALUES (:id, :incident_id, :at_ms, :until_ms, :body) "
                "ON CONFLICT (id) DO UPDATE SET until_ms = excluded.until_ms, body = excluded.body",
                values | {"until_ms": verdict.until_ms, "body": encode(verdict)},
            )

    def verdicts(self, *, since_ms: int = 0, limit: int = 1000) -> list[Verdict]:
        """Verdicts given at that time or later, latest first."""
        query = "SELECT body FROM verdicts WHERE at_ms >= :since_ms ORDER BY at_ms DESC, id LIMIT :limit"
        rows = self.database.rows(query, {"since_ms": since_ms, "limit": limit})
        return [decode(bytes(body), Verdict) for (body,) in rows]

    # -- receipts

    def receipts(self, receiver: str, incident_id: str) -> dict[str, str]:
        """What a receiver keeps of an incident, by name."""
        query = "SELECT name, value FROM receipts WHERE receiver = :receiver AND incident_id = :incident_id"
        return pairs(self.database.rows(query, {"receiver": receiver, "incident_id": incident_id}))

    def receipts_named(self, receiver: str, name: str) -> dict[str, str]:
        """What a receiver keeps under one name, by incident."""
        query = "SELECT incident_id, value FROM receipts WHERE receiver = :receiver AND name = :name"
        return pairs(self.database.rows(query, {"receiver": receiver, "name": name}))

    def shared_receipts(self, prefix: str, limit: int = 1000) -> list[tuple[str, str, str]]:
        """Receipts of no incident whose name begins so; see `Store`."""
        rows = self.database.rows(
            "SELECT receiver, name, value FROM receipts WHERE incident_id = '' AND name LIKE :begins ESCAPE '!' "
            "ORDER BY name DESC, receiver LIMIT :limit",
            {"begins": f"{literal(prefix)}%", "limit": limit},
        )
        return [(receiver, name, value) for receiver, name, value in rows]

    def keep_receipts(self, receiver: str, incident_id: str, values: Mapping[str, str]) -> None:
        """Keep values beside those that are there; "" forgets one."""
        key = {"receiver": receiver, "incident_id": incident_id}
        kept = [key | {"name": name, "value": value} for name, value in values.items() if value]
        gone = [key | {"name": name} for name, value in values.items() if not value]
        with self.database.transaction() as write:
            write.run(
                "INSERT INTO receipts (receiver, incident_id, name, value) "
                "VALUES (:receiver, :incident_id, :name, :value) "
                "ON CONFLICT (receiver, incident_id, name) DO UPDATE SET value = excluded.value",
                kept,
            )
            write.run(
                "DELETE FROM receipts WHERE receiver = :receiver AND incident_id = :incident_id AND name = :name", gone
            )

    # -- upkeep

    def prune(self, before_ms: int) -> dict[str, int]:
        """Forget what was resolved, done or dead before, and what belongs to no incident; how much of what."""
        before = {"before_ms": before_ms}
        with self.database.transaction() as write:
            incidents = write.run("DELETE FROM incidents WHERE resolved_ms < :before_ms", before)
            notifications = write.run("DELETE FROM outbox WHERE state <> 'pending' AND created_ms < :before_ms", before)
            # The latest cases may belong to incidents that are still forming and not saved yet.
            cases = write.run(
                "DELETE FROM cases WHERE number <= (SELECT max(number) FROM cases) - 1000 "
                "AND NOT EXISTS (SELECT 1 FROM incidents WHERE id = incident_id)",
                {},
            )
            receipts = write.run(
                "DELETE FROM receipts WHERE incident_id <> '' "
                "AND NOT EXISTS (SELECT 1 FROM incidents WHERE id = incident_id)",
                {},
            )
            verdicts = write.run("DELETE FROM verdicts WHERE until_ms < :before_ms", before)
            suppressed = write.run("DELETE FROM suppressed WHERE last_ms < :before_ms", before)
            gone = {"incidents": incidents, "notifications": notifications, "cases": cases, "receipts": receipts}
            return gone | {"verdicts": verdicts, "suppressed": suppressed}

    def counts(self) -> dict[str, int]:
        """Sizes for metrics: incidents, active, inbox, outbox, dead, bytes."""
        tables = {
            "incidents": "incidents",
            "active": "incidents WHERE status <> 'resolved'",
            "inbox": "inbox",
            "outbox": "outbox WHERE state = 'pending'",
            "dead": "outbox WHERE state = 'dead'",
        }
        sizes = {name: count(self.database, table) for name, table in tables.items()}
        size_bytes = self.database.size_bytes()
        return sizes if size_bytes is None else sizes | {"bytes": size_bytes}

    # -- inside

    def _check_lease(self, write: Write) -> None:
        if self.lease is None:
            return
        # An update, because it keeps others from taking the lease until this transaction ends.
        statement = "UPDATE leases SET epoch = epoch WHERE name = :name AND epoch = :epoch"
        if not write.run(statement, {"name": self.lease.name, "epoch": self.lease.epoch}):
            raise StoreError(
                f"{self.database.name}: another worker has taken over {self.lease.name}; nothing was written"
            )

    def _mark(self, statement: str, key: str, **values: object) -> int:
        with self.database.transaction() as write:
            return write.run(statement, {"key": key, **values})

    def _one(self, query: str, name: str) -> bytes | None:
        rows = self.database.rows(query, {"name": name})
        return bytes(rows[0][0]) if rows else None

    def _outgoing(self, query: str, values: Values) -> list[Outgoing]:
        rows = self.database.rows(query, values)
        return [Outgoing(decode(body, Notification), *rest) for body, *rest in rows]
