"""What is known of the silences of sources, and the stretches of time of which something is missing

Only adds: earlier workers go on beside those of this revision; what they catch is not learned from.

Revision ID: 0017
Revises: 0015
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tasks.ledger.base import Moment

revision = "0017"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column("provider", sa.Column("arrived_at", Moment(), nullable=True))
    op.add_column("provider", sa.Column("watched_since", Moment(), nullable=True))
    op.create_table(
        "pulse",
        sa.Column("provider_id", number, nullable=False),
        sa.Column("hour", number, nullable=False),
        sa.Column("arrivals", number, nullable=False),
        sa.Column("longest", number, nullable=False),
        sa.PrimaryKeyConstraint("provider_id", "hour", name=op.f("pk_pulse")),
        sa.ForeignKeyConstraint(["provider_id"], ["provider.id"], name=op.f("fk_pulse_provider_id_provider")),
    )
    op.create_table(
        "gap",
        sa.Column("id", number, sa.Identity(), nullable=False),
        sa.Column("provider_id", number, nullable=False),
        sa.Column("from_at", Moment(), nullable=False),
        sa.Column("until_at", Moment(), nullable=False),
        sa.Column("found_at", Moment(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("kept", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("road", sa.Text(), nullable=True),
        sa.Column("cursor", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("seen", number, server_default="0", nullable=False),
        sa.Column("stored", number, server_default="0", nullable=False),
        sa.Column("due_at", Moment(), nullable=True),
        sa.Column("attempts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_until", Moment(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("ended_at", Moment(), nullable=True),
        sa.Column("told", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gap")),
        sa.ForeignKeyConstraint(["provider_id"], ["provider.id"], name=op.f("fk_gap_provider_id_provider")),
    )
    op.create_index("ix_gap_provider", "gap", ["provider_id", "until_at"])
    due = sa.text("due_at IS NOT NULL")
    op.create_index("ix_gap_due", "gap", ["due_at"], postgresql_where=due, sqlite_where=due)


def downgrade() -> None:
    op.drop_table("gap")
    op.drop_table("pulse")
    op.drop_column("provider", "watched_since")
    op.drop_column("provider", "arrived_at")
