"""The first tables."""

import sqlalchemy as sa
from alembic import op

from aiops.stores.migrations.columns import blob, number, unix_ms

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "incidents",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("services", sa.Text, nullable=False),
        unix_ms("started_ms"),
        unix_ms("resolved_ms", nullable=True),
        blob("body"),
    )
    op.create_index("incidents_by_start", "incidents", ["started_ms"])
    op.create_table("cases", sa.Column("incident_id", sa.Text, primary_key=True), blob("body"))
    op.create_table("positions", sa.Column("source", sa.Text, primary_key=True), unix_ms("position"))
    op.create_table("snapshots", sa.Column("source", sa.Text, primary_key=True), blob("body"))
    op.create_table("states", sa.Column("name", sa.Text, primary_key=True), blob("body"))
    op.create_table(
        "inbox",
        number(),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        unix_ms("time_ms"),
        blob("body"),
        sa.UniqueConstraint("id", "status"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "outbox",
        number(),
        sa.Column("key", sa.Text, nullable=False, unique=True),
        sa.Column("receiver", sa.Text, nullable=False),
        sa.Column("incident_id", sa.Text, nullable=False),
        unix_ms("created_ms"),
        blob("body"),
        sa.Column("state", sa.Text, nullable=False, server_default="pending"),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        unix_ms("next_ms", server_default="0"),
        sa.Column("note", sa.Text, nullable=False, server_default=""),
        sqlite_autoincrement=True,
    )
    pending, dead = sa.text("state = 'pending'"), sa.text("state = 'dead'")
    columns = ["receiver", "incident_id", "number"]
    op.create_index("outbox_pending", "outbox", columns, sqlite_where=pending, postgresql_where=pending)
    op.create_index("outbox_dead", "outbox", ["number"], sqlite_where=dead, postgresql_where=dead)


def downgrade() -> None:
    """Drop them, and all that is in them."""
    for table in ("outbox", "inbox", "states", "snapshots", "positions", "cases", "incidents"):
        op.drop_table(table)
