"""Ranking cases are numbered in the order in which they came: PostgreSQL has no rowid to tell the latest by."""

import sqlalchemy as sa
from alembic import op

from aiops.stores.migrations.columns import blob, number

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Number them."""
    op.rename_table("cases", "old_cases")
    op.create_table(
        "cases",
        number(),
        sa.Column("incident_id", sa.Text, nullable=False, unique=True),
        blob("body"),
        sqlite_autoincrement=True,
    )
    op.execute("INSERT INTO cases (incident_id, body) SELECT incident_id, body FROM old_cases")
    op.drop_table("old_cases")


def downgrade() -> None:
    """Forget the numbers."""
    op.rename_table("cases", "numbered_cases")
    op.create_table("cases", sa.Column("incident_id", sa.Text, primary_key=True), blob("body"))
    op.execute("INSERT INTO cases (incident_id, body) SELECT incident_id, body FROM numbered_cases")
    op.drop_table("numbered_cases")
