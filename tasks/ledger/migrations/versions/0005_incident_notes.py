"""The history of incidents, and who looks after each

Only adds: earlier workers go on beside those of this revision.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tasks.ledger.base import Moment

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("incident", sa.Column("assigned_to", sa.Text(), nullable=True))
    op.create_table(
        "incident_note",
        sa.Column("id", _ID, sa.Identity(always=False), nullable=False),
        sa.Column("incident_id", _ID, nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("word", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incident.id"], name=op.f("fk_incident_note_incident_id_incident"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident_note")),
    )
    op.create_index("ix_incident_note_incident", "incident_note", ["incident_id"])


def downgrade() -> None:
    op.drop_table("incident_note")
    op.drop_column("incident", "assigned_to")
