"""What people say of incidents, what nobody was told of and why, and since when a replayed dead letter is tried."""

import sqlalchemy as sa
from alembic import op

from aiops.stores.migrations.columns import blob, unix_ms

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make room for it."""
    op.create_table(
        "verdicts",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("incident_id", sa.Text, nullable=False),
        unix_ms("at_ms"),
        unix_ms("until_ms"),
        blob("body"),
    )
    op.create_index("verdicts_by_time", "verdicts", ["at_ms"])
    op.create_table(
        "suppressed",
        sa.Column("item_id", sa.Text, primary_key=True),
        sa.Column("reason", sa.Text, primary_key=True),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("service", sa.Text, nullable=False),
        sa.Column("incident_id", sa.Text, nullable=False),
        unix_ms("first_ms"),
        unix_ms("last_ms"),
        sa.Column("count", sa.Integer, nullable=False),
    )
    op.create_index("suppressed_by_time", "suppressed", ["last_ms"])
    op.add_column("outbox", unix_ms("since_ms", server_default="0"))


def downgrade() -> None:
    """Forget it."""
    op.drop_column("outbox", "since_ms")
    op.drop_table("suppressed")
    op.drop_table("verdicts")
