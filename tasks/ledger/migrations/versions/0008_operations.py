"""Operations that wait for their policies, effects in sequence, and limits

Only adds: earlier workers go on beside those of this revision.

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tasks.ledger.base import Moment

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    json = sa.JSON(none_as_null=True)
    op.create_table(
        "operation",
        sa.Column("event_id", number, autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("params", json, nullable=False),
        sa.Column("target_kind", sa.Text(), nullable=False),
        sa.Column("target_id", sa.Text(), nullable=False),
        sa.Column("after_key", sa.Text(), nullable=True),
        sa.Column("limits", json, nullable=True),
        sa.Column("state", sa.Text(), server_default="deciding", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("asked_at", Moment(), nullable=False),
        sa.Column("decided_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_operation")),
        sa.UniqueConstraint("key", name=op.f("uq_operation_key")),
        sa.ForeignKeyConstraint(
            ["event_id"], ["event.id"], name=op.f("fk_operation_event_id_event"), ondelete="CASCADE"
        ),
    )
    op.create_table(
        "spent",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("effect_id", number, autoincrement=False, nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("key", "effect_id", name=op.f("pk_spent")),
    )
    op.create_index("ix_spent_key", "spent", ["key", "at"])
    op.create_index("ix_spent_at", "spent", ["at"])
    op.add_column("effect", sa.Column("after_key", sa.Text(), nullable=True))
    op.add_column("effect", sa.Column("limits", json, nullable=True))
    waiting = sa.text("after_key IS NOT NULL")
    op.create_index("ix_effect_after", "effect", ["after_key"], postgresql_where=waiting, sqlite_where=waiting)


def downgrade() -> None:
    op.drop_index("ix_effect_after", table_name="effect")
    with op.batch_alter_table("effect") as batch:
        batch.drop_column("limits")
        batch.drop_column("after_key")
    op.drop_table("spent")
    op.drop_table("operation")
