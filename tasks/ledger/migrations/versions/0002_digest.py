"""Digests: what a turn concluded alike on many events

Only adds, and drops checks: earlier workers go on beside those of this revision.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tasks.ledger.base import Moment

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_UNCHECKED = (
    ("notification", "event_id", "event"),
    ("decision", "event_id", "event"),
    ("refresh_request", "event_id", "event"),
    ("refresh_request", "target_id", "refresh_target"),
)
_HAS_LZ4 = "SELECT 'lz4' = ANY(enumvals) FROM pg_settings WHERE name = 'default_toast_compression'"
_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "digest",
        sa.Column("id", _ID, sa.Identity(always=False), nullable=False),
        sa.Column("decided_at", Moment(), nullable=False),
        sa.Column("latest", Moment(), nullable=False),
        sa.Column("site_version", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.BigInteger(), nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("template", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_digest")),
    )
    op.create_index("ix_digest_fingerprint", "digest", ["fingerprint"])
    op.create_index("ix_digest_latest", "digest", ["latest"])
    op.add_column("event", sa.Column("digest_id", _ID, nullable=True))
    # The rows of an event are written with it and deleted with it; having each of them checked on its own
    # took a fifth of the database's time.
    for table, column, parent in _UNCHECKED:
        with op.batch_alter_table(table) as batch:
            batch.drop_constraint(f"fk_{table}_{column}_{parent}", type_="foreignkey")
    if op.get_bind().dialect.name == "postgresql" and op.get_bind().scalar(sa.text(_HAS_LZ4)):
        # Two kilobytes a notification: the older compression costs more than writing them.
        op.execute("ALTER TABLE notification ALTER content SET COMPRESSION lz4")


def downgrade() -> None:
    for table, column, parent in _UNCHECKED:
        with op.batch_alter_table(table) as batch:
            name = f"fk_{table}_{column}_{parent}"
            batch.create_foreign_key(name, parent, [column], ["id"], ondelete="CASCADE")
    op.drop_column("event", "digest_id")
    op.drop_table("digest")
