"""State in PostgreSQL: what several workers share. Needs the extra `postgres`.

Rule 1. A commit is on the disk when it returns (`synchronous_commit` is the server's default and is not touched).
Rule 2. A connection that is lost is `StoreBusy`: the caller does the same call again, and nothing of it was kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from aiops.errors import ConfigError, StoreBusy, StoreError
from aiops.stores._database import Values
from aiops.stores.revisions import HEAD, is_known
from aiops.stores.sql import SqlStore

if TYPE_CHECKING:
    import sqlalchemy as sa

CONNECTIONS = 10
"""At most per process: chosen; a worker's cycle, its lanes and its web pages together need fewer."""
STATEMENT_TIMEOUT_MS = 60_000
"""A statement that takes longer is ended: chosen, ten times what the largest snapshot seen takes."""


def open_postgres(url: str, *, connections: int = CONNECTIONS) -> SqlStore:
    """A store in the PostgreSQL database at `url` (`postgresql://user:password@host/name`), tables brought up to date.

    Raises
    ------
    ConfigError : the extra `postgres` is not installed, or the address is none
    StoreBusy : the server cannot be reached
    StoreError : the tables are of a newer version, or this user must not change them
    """
    database = PostgresDatabase(url, connections=connections)
    try:
        database.migrate()
    except StoreError:
        database.close()
        raise
    return SqlStore(database)


def migrate_address(url: str, to: str) -> str:
    """Bring the tables of a database to a revision; the one they had. Raises as `open_postgres`."""
    database = PostgresDatabase(url, connections=2)
    try:
        return database.migrate(to)
    finally:
        database.close()


class PostgresDatabase:
    """A `Database` on a PostgreSQL server; see `open_postgres`."""

    def __init__(self, url: str, *, connections: int = CONNECTIONS) -> None:
        self._engine = _engine(url, connections)
        self.name = self._engine.url.render_as_string(hide_password=True)

    def migrate(self, to: str = HEAD) -> str:
        """Bring the tables to a revision; the one they had. StoreError if that one is not known."""
        from aiops.stores.migrations import migrate_postgres, revision_of

        with self._translated():
            with self._engine.connect() as connection:
                revision = revision_of(connection)
            if revision and not is_known(revision):
                raise StoreError(
                    f"{self.name}: has schema version {revision}, this program needs {HEAD}: "
                    "run the version that wrote it"
                )
            migrate_postgres(self._engine, to)
        return revision

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def transaction(self) -> Iterator[_Transaction]:
        """A transaction on a connection of its own."""
        with self._translated(), self._engine.begin() as connection:
            yield _Transaction(connection)

    def rows(self, query: str, values: Values = {}) -> Sequence[Sequence[Any]]:  # noqa: B006 - nobody changes it
        """All rows of a query."""
        with self._translated(), self._engine.connect() as connection:
            return _Transaction(connection).rows(query, values)

    def size_bytes(self) -> int | None:
        """Size of the whole database."""
        return int(self.rows("SELECT pg_database_size(current_database())")[0][0])

    @contextmanager
    def _translated(self) -> Iterator[None]:
        import sqlalchemy as sa

        try:
            yield
        except (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError) as error:
            raise StoreBusy(f"{self.name}: {_reason(error)}: is the server up and reachable?") from error
        except sa.exc.SQLAlchemyError as error:
            raise StoreError(f"{self.name}: {_reason(error)}") from error


class _Transaction:
    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def run(self, statement: str, values: Values | Sequence[Values]) -> int:
        from sqlalchemy import text

        if isinstance(values, Sequence) and not values:
            return 0
        return self._connection.execute(text(statement), values).rowcount

    def rows(self, query: str, values: Values = {}) -> Sequence[Sequence[Any]]:  # noqa: B006 - nobody changes it
        from sqlalchemy import text

        return self._connection.execute(text(query), values).fetchall()


def _engine(url: str, connections: int) -> sa.Engine:
    try:
        import psycopg  # noqa: F401 - the driver, asked for before there is a connection to fail
        import sqlalchemy as sa
    except ImportError as error:
        raise ConfigError("the configuration", "store.url", "needs `pip install aiops-oncall[postgres]`") from error
    try:
        address = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise ConfigError("the configuration", "store.url", "must be postgresql://user:password@host/name") from error
    if address.get_backend_name() != "postgresql":
        raise ConfigError("the configuration", "store.url", f"must begin with postgresql://, got {address.drivername}")
    return sa.create_engine(
        address.set(drivername="postgresql+psycopg"),
        pool_size=connections,
        max_overflow=0,
        pool_pre_ping=True,
        connect_args={"connect_timeout": 10, "options": f"-c statement_timeout={STATEMENT_TIMEOUT_MS}"},
    )


def _reason(error: Exception) -> str:
    """What the server said, without statement and values: they hold customers' labels."""
    said = str(getattr(error, "orig", None) or error)
    return " ".join(said.split())[:300]
