"""Tables of effects: one row a thing to be done to the outside world, one row a try of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ForeignKey, Identity, Index, SmallInteger, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from tasks.ledger.base import Base, Id

ASKED = "asked"
DONE = "done"
DEAD = "dead"
#: What is older counts under no limit that can be written.
SPENT_KEPT = timedelta(days=7)


class Effect(Base):
    """One effect, written with the decision that asked for it and unique by its key (DESIGN 3).

    ``state`` is ``asked`` until it is ``done`` or ``dead``; while somebody tries it, the lease says who
    and until when. One with ``after_key`` is not due before the effect of that key is done. ``limits`` are its
    rule's own: ``rule``, ``target`` and ``seconds``.
    """

    __tablename__ = "effect"
    __table_args__ = (
        Index(
            "ix_effect_open",
            "due_at",
            postgresql_where=text("state = 'asked'"),
            sqlite_where=text("state = 'asked'"),
        ),
        Index(
            "ix_effect_dead",
            "id",
            postgresql_where=text("state = 'dead'"),
            sqlite_where=text("state = 'dead'"),
        ),
        Index("ix_effect_event", "event_id"),
        Index(
            "ix_effect_after",
            "after_key",
            postgresql_where=text("after_key IS NOT NULL"),
            sqlite_where=text("after_key IS NOT NULL"),
        ),
        {"postgresql_with": {"fillfactor": "70"}},
    )

    id: Mapped[int] = mapped_column(Id, Identity(), primary_key=True)
    key: Mapped[str] = mapped_column(Text, unique=True)
    event_id: Mapped[int] = mapped_column(ForeignKey("event.id", ondelete="CASCADE"))
    rule: Mapped[str]
    action: Mapped[str]
    params: Mapped[dict[str, Any]]
    target_kind: Mapped[str | None]
    target_id: Mapped[str | None]
    site_version: Mapped[str]
    state: Mapped[str] = mapped_column(Text, server_default=ASKED)
    asked_at: Mapped[datetime]
    due_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    lease_owner: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    error: Mapped[str | None]
    after_key: Mapped[str | None]
    limits: Mapped[dict[str, Any] | None]


class Spent(Base):
    """An effect that was tried under a limit, under what it counts for: its rule, its object."""

    __tablename__ = "spent"
    __table_args__ = (Index("ix_spent_key", "key", "at"), Index("ix_spent_at", "at"))

    key: Mapped[str] = mapped_column(Text, primary_key=True)
    effect_id: Mapped[int] = mapped_column(Id, primary_key=True)
    at: Mapped[datetime]


class EffectTry(Base):
    """One try of an effect and how it went."""

    __tablename__ = "effect_try"

    effect_id: Mapped[int] = mapped_column(ForeignKey("effect.id", ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    worker: Mapped[str]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    verdict: Mapped[str | None]
    summary: Mapped[str | None]
    detail: Mapped[dict[str, Any] | None]
