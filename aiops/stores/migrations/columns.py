"""Columns that stand in several tables."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa


def number() -> sa.Column[Any]:
    """A number that rises with each row, given by the database and never given twice."""
    # SQLite numbers rows by itself only where the type is called INTEGER.
    return sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True)


def unix_ms(name: str, **options: Any) -> sa.Column[Any]:
    """A time or a position in unix milliseconds."""
    return sa.Column(name, sa.BigInteger, **({"nullable": False} | options))


def blob(name: str) -> sa.Column[Any]:
    """Bytes of `aiops.wire`."""
    return sa.Column(name, sa.LargeBinary, nullable=False)
