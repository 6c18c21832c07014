"""The history of compliance checks

Only adds: earlier workers go on beside those of this revision.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tasks.ledger.base import Moment

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "compliance_check",
        sa.Column("id", number, sa.Identity(), nullable=False),
        sa.Column("provider_id", number, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("event_id", number, nullable=False),
        sa.Column("checked_at", Moment(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("details", sa.JSON(none_as_null=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_compliance_check")),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["provider.id"], name=op.f("fk_compliance_check_provider_id_provider")
        ),
    )
    op.create_index("ix_compliance_check_object", "compliance_check", ["provider_id", "kind", "ref", "id"])
    op.create_index(op.f("ix_compliance_check_checked_at"), "compliance_check", ["checked_at"])


def downgrade() -> None:
    op.drop_table("compliance_check")
