"""What the policies of a raised event concluded, on the event itself

Only adds: earlier workers go on beside those of this revision, and what they judge has no result.

Revision ID: 0013
Revises: 0012
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("event", sa.Column("result", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("event", "result")
