"""The event on which people were last notified of an incident

Only adds: earlier workers go on beside those of this revision, and what they open names no such event.

Revision ID: 0009
Revises: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column("incident", sa.Column("notified_by", number, nullable=True))
    # Of those that are there, the event that opened one is the likeliest to have notified.
    op.execute("UPDATE incident SET notified_by = event_id")


def downgrade() -> None:
    op.drop_column("incident", "notified_by")
