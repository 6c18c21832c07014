"""Jobs: what is deployed, what runs and ran, and what waits for events

Only adds: earlier workers go on beside those of this revision.

Revision ID: 0019
Revises: 0018
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tasks.ledger.base import Moment

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    json = sa.JSON(none_as_null=True)
    still_open = sa.text("ended_at IS NULL")
    op.create_table(
        "job_code",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("stored_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_job_code")),
    )
    op.create_table(
        "job_definition",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("detail", json, nullable=False),
        sa.Column("site_version", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "name", name=op.f("pk_job_definition")),
    )
    op.create_table(
        "job_instance",
        sa.Column("id", number, sa.Identity(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("schedule", sa.Text(), nullable=True),
        sa.Column("trigger", sa.Text(), nullable=True),
        sa.Column("event_id", number, nullable=True),
        sa.Column("parent_id", number, nullable=True),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("user", sa.Text(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("agent", sa.Text(), nullable=True),
        sa.Column("host", sa.Text(), nullable=True),
        sa.Column("arguments", json, nullable=False),
        sa.Column("context", json, nullable=False),
        sa.Column("event", json, nullable=False),
        sa.Column("terms", json, nullable=False),
        sa.Column("kept", json, nullable=False),
        sa.Column("result", json, nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("due_at", Moment(), nullable=True),
        sa.Column("started_at", Moment(), nullable=True),
        sa.Column("ended_at", Moment(), nullable=True),
        sa.Column("asked_at", Moment(), nullable=True),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_until", Moment(), nullable=True),
        sa.Column("progress", sa.Double(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_instance")),
        sa.UniqueConstraint("key", name=op.f("uq_job_instance_key")),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index("ix_job_instance_due", "job_instance", ["due_at"], postgresql_where=still_open, sqlite_where=still_open)
    op.create_index("ix_job_instance_ended", "job_instance", ["ended_at"])
    op.create_index("ix_job_instance_job", "job_instance", ["job"])
    op.create_index("ix_job_instance_parent", "job_instance", ["parent_id"])
    op.create_index("ix_job_instance_schedule", "job_instance", ["schedule"], postgresql_where=still_open, sqlite_where=still_open)
    op.create_table(
        "job_call",
        sa.Column("id", number, sa.Identity(), nullable=False),
        sa.Column("instance_id", number, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("handler", sa.Text(), nullable=False),
        sa.Column("argument", json, nullable=True),
        sa.Column("subscription_id", number, nullable=True),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("asked_at", Moment(), nullable=False),
        sa.Column("ended_at", Moment(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_call")),
        sa.UniqueConstraint("instance_id", "key", name=op.f("uq_job_call_instance_id")),
        sa.ForeignKeyConstraint(
            ["instance_id"], ["job_instance.id"], ondelete="CASCADE", name=op.f("fk_job_call_instance_id_job_instance")
        ),
    )
    op.create_index("ix_job_call_state", "job_call", ["instance_id", "state", "id"])
    op.create_table(
        "job_subscription",
        sa.Column("id", number, sa.Identity(), nullable=False),
        sa.Column("instance_id", number, nullable=False),
        sa.Column("word", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("since", Moment(), nullable=False),
        sa.Column("after_event", number, nullable=False),
        sa.Column("failures", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("suspended", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_subscription")),
        sa.UniqueConstraint("instance_id", "word", "method", name=op.f("uq_job_subscription_instance_id")),
        sa.ForeignKeyConstraint(
            ["instance_id"], ["job_instance.id"], ondelete="CASCADE", name=op.f("fk_job_subscription_instance_id_job_instance")
        ),
    )
    op.create_index("ix_job_subscription_word", "job_subscription", ["word"])
    op.create_table(
        "job_log",
        sa.Column("id", number, sa.Identity(), nullable=False),
        sa.Column("instance_id", number, nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_log")),
        sa.ForeignKeyConstraint(
            ["instance_id"], ["job_instance.id"], ondelete="CASCADE", name=op.f("fk_job_log_instance_id_job_instance")
        ),
    )
    op.create_index("ix_job_log_instance", "job_log", ["instance_id", "id"])
    op.create_table(
        "job_step",
        sa.Column("id", number, sa.Identity(), nullable=False),
        sa.Column("instance_id", number, nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_step")),
        sa.ForeignKeyConstraint(
            ["instance_id"], ["job_instance.id"], ondelete="CASCADE", name=op.f("fk_job_step_instance_id_job_instance")
        ),
    )
    op.create_index("ix_job_step_instance", "job_step", ["instance_id", "id"])
    op.create_table(
        "job_schedule",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=True),
        sa.Column("enabled_by", sa.Text(), nullable=True),
        sa.Column("last_at", Moment(), nullable=True),
        sa.Column("last_instance", number, nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("skipped", sa.Integer(), server_default="0", nullable=False),
        sa.Column("missed", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_job_schedule")),
    )
    op.create_table(
        "job_clock",
        sa.Column("schedule", sa.Text(), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("activated_at", Moment(), nullable=False),
        sa.Column("next_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("schedule", "trigger", name=op.f("pk_job_clock")),
    )
    op.create_table(
        "job_cursor",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", json, nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_job_cursor")),
    )


def downgrade() -> None:
    op.drop_table("job_cursor")
    op.drop_table("job_clock")
    op.drop_table("job_schedule")
    op.drop_table("job_step")
    op.drop_table("job_log")
    op.drop_table("job_subscription")
    op.drop_table("job_call")
    op.drop_table("job_instance")
    op.drop_table("job_definition")
    op.drop_table("job_code")
