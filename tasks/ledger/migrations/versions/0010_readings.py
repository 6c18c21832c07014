"""Readings of objects

Only adds: earlier workers go on beside those of this revision.

Revision ID: 0010
Revises: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tasks.ledger.base import Moment

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "reading",
        sa.Column("id", number, sa.Identity(), nullable=False),
        sa.Column("provider_id", number, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("fresh", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reading")),
        sa.ForeignKeyConstraint(["provider_id"], ["provider.id"], name=op.f("fk_reading_provider_id_provider")),
    )
    op.create_index("ix_reading_object", "reading", ["provider_id", "kind", "ref", "name", "at"])
    op.create_index(op.f("ix_reading_at"), "reading", ["at"])
    fresh = sa.text("fresh")
    op.create_index("ix_reading_fresh", "reading", ["id"], postgresql_where=fresh, sqlite_where=fresh)


def downgrade() -> None:
    op.drop_table("reading")
