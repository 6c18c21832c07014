"""Tokens that push for one provider, messages seen by several roads, and a provider's own source word

Only adds: earlier workers go on beside those of this revision, and note no further road.

Revision ID: 0012
Revises: 0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tasks.ledger.base import Moment

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column("token", sa.Column("provider", sa.Text(), nullable=True))
    op.add_column("provider", sa.Column("source", sa.Text(), nullable=True))
    op.create_table(
        "road_sighting",
        sa.Column("provider_id", number, nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("road", sa.Text(), nullable=False),
        sa.Column("event_id", number, nullable=False),
        sa.Column("raw_event_type", sa.Text(), nullable=False),
        sa.Column("seen_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("provider_id", "message_id", "road", name=op.f("pk_road_sighting")),
        sa.ForeignKeyConstraint(["provider_id"], ["provider.id"], name=op.f("fk_road_sighting_provider_id_provider")),
        sa.ForeignKeyConstraint(
            ["event_id"], ["event.id"], name=op.f("fk_road_sighting_event_id_event"), ondelete="CASCADE"
        ),
    )
    op.create_index(op.f("ix_road_sighting_event_id"), "road_sighting", ["event_id"])


def downgrade() -> None:
    op.drop_table("road_sighting")
    op.drop_column("provider", "source")
    op.drop_column("token", "provider")
