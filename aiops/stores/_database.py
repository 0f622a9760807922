"""What a SQL store needs of its database; SQLite and PostgreSQL understand the same statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

Values = Mapping[str, object]


class Write(Protocol):
    """One transaction that is open for writing. Statements have `:name` in place of values."""

    def run(self, statement: str, values: Values | Sequence[Values]) -> int:
        """Run a statement once, or once for each set of values; how many rows it changed the last time."""
        ...

    def rows(self, query: str, values: Values = ...) -> Sequence[Sequence[Any]]:
        """All rows of a query, with what this transaction has written."""
        ...


class Database(Protocol):
    """One SQL database. Every method may be called from any thread.

    Raises
    ------
    StoreBusy : another program's lock, or a connection that is lost: the same call may work later
    StoreError : anything else; nothing was written
    """

    name: str
    """For messages: the file, or the address without its password."""

    def transaction(self) -> AbstractContextManager[Write]:
        """A transaction that is committed when its block ends, and undone when it raises."""
        ...

    def rows(self, query: str, values: Values = ...) -> Sequence[Sequence[Any]]:
        """All rows of a query outside of any transaction."""
        ...

    def size_bytes(self) -> int | None:
        """Its size on the disk; None = cannot be told."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...
