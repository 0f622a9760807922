"""What several workers need: notifications in lanes, so that each worker sends its own, and leases."""

import sqlalchemy as sa
from alembic import op

from aiops.stores.migrations.columns import unix_ms

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Notifications that wait already are in the first lane."""
    op.add_column("outbox", sa.Column("lane", sa.Integer, nullable=False, server_default="0"))
    op.create_table(
        "leases",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("holder", sa.Text, nullable=False),
        unix_ms("until_ms"),
        sa.Column("epoch", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Everything is one worker's again."""
    op.drop_table("leases")
    op.drop_column("outbox", "lane")
