"""The history of ESI Leap's events for tenants, and further facts of events

Only adds: earlier workers go on beside those of this revision.

Revision ID: 0015
Revises: 0014
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tasks.ledger.base import Moment

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column("event", sa.Column("details", sa.JSON(none_as_null=True), nullable=True))
    op.create_table(
        "esi_event",
        sa.Column("event_id", number, nullable=False, autoincrement=False),
        sa.Column("number", number, nullable=True),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("event_time", Moment(), nullable=False),
        sa.Column("object_type", sa.Text(), nullable=True),
        sa.Column("object_uuid", sa.Text(), nullable=True),
        sa.Column("resource_type", sa.Text(), nullable=True),
        sa.Column("resource_uuid", sa.Text(), nullable=True),
        sa.Column("lessee_id", sa.Text(), nullable=True),
        sa.Column("owner_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_esi_event")),
        sa.UniqueConstraint("number", name=op.f("uq_esi_event_number")),
        sa.ForeignKeyConstraint(
            ["event_id"], ["event.id"], name=op.f("fk_esi_event_event_id_event"), ondelete="CASCADE"
        ),
    )
    op.create_index("ix_esi_event_lessee", "esi_event", ["lessee_id", "number"])
    op.create_index("ix_esi_event_owner", "esi_event", ["owner_id", "number"])
    op.create_index("ix_esi_event_object", "esi_event", ["object_uuid", "event_id"])
    new = sa.text("number IS NULL")
    op.create_index("ix_esi_event_new", "esi_event", ["event_id"], postgresql_where=new, sqlite_where=new)
    op.create_table(
        "esi_count",
        sa.Column("id", sa.SmallInteger(), nullable=False, autoincrement=False),
        sa.Column("last", number, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_esi_count")),
    )


def downgrade() -> None:
    op.drop_table("esi_count")
    op.drop_table("esi_event")
    op.drop_column("event", "details")
