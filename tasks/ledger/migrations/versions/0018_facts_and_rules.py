"""Facts of objects, rule events and agents

Only adds: earlier workers go on beside those of this revision.

Revision ID: 0018
Revises: 0017
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tasks.ledger.base import Moment

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "fact_object",
        sa.Column("id", number, sa.Identity(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("feed", sa.Text(), nullable=True),
        sa.Column("provider_id", number, nullable=True),
        sa.Column("object_kind", sa.Text(), nullable=True),
        sa.Column("object_ref", sa.Text(), nullable=True),
        sa.Column("added_at", Moment(), nullable=False),
        sa.Column("seen_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fact_object")),
        sa.UniqueConstraint("kind", "ref", name=op.f("uq_fact_object_kind")),
        sa.ForeignKeyConstraint(["provider_id"], ["provider.id"], name=op.f("fk_fact_object_provider_id_provider")),
    )
    op.create_table(
        "fact",
        sa.Column("object_id", number, autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("link", sa.Text(), nullable=True),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("limit_seconds", sa.Double(), nullable=True),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("object_id", "name", name=op.f("pk_fact")),
        sa.ForeignKeyConstraint(
            ["object_id"], ["fact_object.id"], ondelete="CASCADE", name=op.f("fk_fact_object_id_fact_object")
        ),
        postgresql_with={"fillfactor": "70"},
    )
    linked = sa.text("link IS NOT NULL")
    op.create_index("ix_fact_link", "fact", ["name", "link"], postgresql_where=linked, sqlite_where=linked)
    op.create_table(
        "fact_change",
        sa.Column("id", number, sa.Identity(), nullable=False),
        sa.Column("object_id", number, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fact_change")),
    )
    op.create_table(
        "rule_state",
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("object_id", number, nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("since", Moment(), nullable=False),
        sa.Column("fired_at", Moment(), nullable=True),
        sa.Column("hold_since", Moment(), nullable=True),
        sa.Column("fired", sa.Integer(), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("deadline", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("event", "key", name=op.f("pk_rule_state")),
        sa.ForeignKeyConstraint(
            ["object_id"], ["fact_object.id"], ondelete="CASCADE", name=op.f("fk_rule_state_object_id_fact_object")
        ),
    )
    timed = sa.text("deadline IS NOT NULL")
    op.create_index(
        "ix_rule_state_deadline", "rule_state", ["deadline"], postgresql_where=timed, sqlite_where=timed
    )
    op.create_index("ix_rule_state_object", "rule_state", ["object_id"])
    op.create_table(
        "rule_switch",
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("event", name=op.f("pk_rule_switch")),
    )
    op.create_table(
        "rule_note",
        sa.Column("id", number, sa.Identity(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rule_note")),
    )
    op.create_table(
        "storm",
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("minute", Moment(), nullable=False),
        sa.Column("told", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("event", name=op.f("pk_storm")),
    )
    op.create_table(
        "agent",
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("protocol", sa.Integer(), nullable=False),
        sa.Column("about", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("started_at", Moment(), nullable=False),
        sa.Column("heard_at", Moment(), nullable=False),
        sa.Column("stopped_at", Moment(), nullable=True),
        sa.Column("counted", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("refused", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("resource", "process", name=op.f("pk_agent")),
    )


def downgrade() -> None:
    for name in ("agent", "storm", "rule_note", "rule_switch", "rule_state", "fact_change", "fact", "fact_object"):
        op.drop_table(name)
