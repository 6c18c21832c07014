"""Requests, their approvals and tasks, and what is delivered to the Automate engine

Only adds: earlier workers go on beside those of this revision.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tasks.ledger.base import Moment

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_JSON = sa.JSON(none_as_null=True)


def upgrade() -> None:
    op.create_table(
        "request",
        sa.Column("id", _ID, sa.Identity(always=False), nullable=False),
        sa.Column("request_type", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("requester", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=True),
        sa.Column("approval_state", sa.Text(), server_default="pending_approval", nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("status", sa.Text(), server_default="Ok", nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("options", _JSON, nullable=False),
        sa.Column("cancelation", sa.Text(), nullable=True),
        sa.Column("cause_id", _ID, nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("updated_at", Moment(), nullable=False),
        sa.Column("due_at", Moment(), nullable=True),
        sa.Column("expires_at", Moment(), nullable=True),
        sa.Column("fulfilled_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_request")),
    )
    op.create_index(
        "ix_request_open",
        "request",
        ["id"],
        postgresql_where=sa.text("state <> 'finished'"),
        sqlite_where=sa.text("state <> 'finished'"),
    )
    op.create_table(
        "approval",
        sa.Column("id", _ID, sa.Identity(always=False), nullable=False),
        sa.Column("request_id", _ID, nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("stamper", sa.Text(), nullable=True),
        sa.Column("stamped_at", Moment(), nullable=True),
        sa.ForeignKeyConstraint(
            ["request_id"], ["request.id"], name=op.f("fk_approval_request_id_request"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval")),
    )
    op.create_index("ix_approval_request", "approval", ["request_id"])
    op.create_table(
        "request_task",
        sa.Column("id", _ID, sa.Identity(always=False), nullable=False),
        sa.Column("request_id", _ID, nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("status", sa.Text(), server_default="Ok", nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("options", _JSON, nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("updated_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["request_id"], ["request.id"], name=op.f("fk_request_task_request_id_request"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_request_task")),
    )
    op.create_index("ix_request_task_request", "request_task", ["request_id"])
    op.create_table(
        "delivery",
        sa.Column("event_id", _ID, autoincrement=False, nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("attributes", _JSON, nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("userid", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=True),
        sa.Column("request_id", _ID, nullable=True),
        sa.Column("task_id", _ID, nullable=True),
        sa.Column("number", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("due_at", Moment(), nullable=True),
        sa.Column("ended_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_delivery")),
    )


def downgrade() -> None:
    for table in ("delivery", "request_task", "approval", "request"):
        op.drop_table(table)
