"""Tables of inventory: the objects, their changes, and what is to be read again."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Identity, Index, SmallInteger, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from tasks.ledger.base import Base, Id

KNOWN = "known"
STUB = "stub"
GONE = "gone"


class InventoryObject(Base):
    """One object of a provider. ``read_at`` is when the facts were asked for: older ones never replace newer.

    ``own_tags`` are those that rules gave it (:mod:`tasks.ledger.labels`).
    """

    __tablename__ = "inventory"
    __table_args__ = (UniqueConstraint("provider_id", "kind", "ref"),)

    id: Mapped[int] = mapped_column(Id, Identity(), primary_key=True)
    provider_id: Mapped[int] = mapped_column(ForeignKey("provider.id"))
    kind: Mapped[str]
    ref: Mapped[str]
    state: Mapped[str]
    name: Mapped[str | None]
    tenant_id: Mapped[str | None]
    attributes: Mapped[dict[str, Any]]
    seen_at: Mapped[datetime]
    read_at: Mapped[datetime | None]
    gone_at: Mapped[datetime | None]
    own_tags: Mapped[list[str] | None]


class InventoryChange(Base):
    """What changed on an object, when, and which event led to the read that found it."""

    __tablename__ = "inventory_change"
    __table_args__ = (Index("ix_inventory_change_object", "object_id", "id"),)

    id: Mapped[int] = mapped_column(Id, Identity(), primary_key=True)
    object_id: Mapped[int] = mapped_column(ForeignKey("inventory.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    verdict: Mapped[str]
    event_id: Mapped[int | None] = mapped_column(Id, index=True)
    before: Mapped[dict[str, Any]]
    after: Mapped[dict[str, Any]]


class RefreshTarget(Base):
    """An object to be read again. However many events want it, it is one row and one read.

    ``wanted`` counts up with each wish; ``read`` is the value of ``wanted`` when the last successful
    read began. They differ exactly while a read is owed, so that a wish that comes during a read leads
    to one more. ``kind`` with an empty ``ref`` never occurs: a list is the kind ``*``, of everything or of the
    kind that ``ref`` names. ``covered`` is the value of ``wanted`` when a list that has the object began, and
    ``covered_by`` that list's target while it goes on.
    """

    __tablename__ = "refresh_target"
    __table_args__ = (
        UniqueConstraint("provider_id", "kind", "ref"),
        Index(
            "ix_refresh_target_open",
            "due_at",
            postgresql_where=text("state = 'wanted'"),
            sqlite_where=text("state = 'wanted'"),
        ),
        {"postgresql_with": {"fillfactor": "60"}},
    )

    id: Mapped[int] = mapped_column(Id, Identity(), primary_key=True)
    provider_id: Mapped[int] = mapped_column(ForeignKey("provider.id"))
    kind: Mapped[str]
    ref: Mapped[str]
    state: Mapped[str] = mapped_column(Text, server_default="wanted")
    wanted: Mapped[int] = mapped_column(Id, server_default="1")
    read: Mapped[int] = mapped_column(Id, server_default="0")
    event_id: Mapped[int | None] = mapped_column(Id)
    due_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    lease_owner: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    read_at: Mapped[datetime | None]
    error: Mapped[str | None]
    covered: Mapped[int | None] = mapped_column(Id)
    covered_by: Mapped[int | None] = mapped_column(Id)


class RefreshRequest(Base):
    """That one event wanted one object read; ``generation`` is the target's ``wanted`` from then on."""

    __tablename__ = "refresh_request"

    event_id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    target_id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False, index=True)
    generation: Mapped[int] = mapped_column(Id)
