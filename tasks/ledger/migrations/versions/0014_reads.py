"""What a list reads along, and when a provider may be asked again

Only adds: earlier workers go on beside those of this revision, and read what they find as before.

Revision ID: 0014
Revises: 0013
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tasks.ledger.base import Moment

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column("refresh_target", sa.Column("covered", number, nullable=True))
    op.add_column("refresh_target", sa.Column("covered_by", number, nullable=True))
    op.add_column("provider", sa.Column("reads_after", Moment(), nullable=True))
    op.add_column("provider", sa.Column("reads_note", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("provider", "reads_note")
    op.drop_column("provider", "reads_after")
    op.drop_column("refresh_target", "covered_by")
    op.drop_column("refresh_target", "covered")
