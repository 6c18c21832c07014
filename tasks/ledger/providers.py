"""Tables of the providers: who they are, how they are, where to read on, and their balance."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Identity, Index, Text, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from tasks.ledger.base import Base, Id


class Provider(Base):
    """One configured source of events and inventory, and what is known of its health.

    ``ready_at`` is when its first full refresh was through (or given up, see ``ready_note``): no event
    of it is judged before. The catch lease keeps two catches from overlapping. ``source`` is the word under
    which the switchboard finds its events, where that is not its kind's. Before ``reads_after`` no inventory is
    read of it, for the reason in ``reads_note``. ``arrived_at`` is when something new last came, by our clock;
    ``watched_since`` is since when there is contact without a break.
    """

    __tablename__ = "provider"

    id: Mapped[int] = mapped_column(Id, Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(Text, unique=True)
    kind: Mapped[str]
    source: Mapped[str | None]
    added_at: Mapped[datetime]
    monitor: Mapped[str | None]
    passed_over: Mapped[dict[str, Any] | None]
    contact_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]
    failure: Mapped[str | None]
    event_at: Mapped[datetime | None]
    ready_at: Mapped[datetime | None]
    ready_note: Mapped[str | None]
    lease_owner: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    listener: Mapped[str | None]
    listener_at: Mapped[datetime | None]
    reads_after: Mapped[datetime | None]
    reads_note: Mapped[str | None]
    arrived_at: Mapped[datetime | None]
    watched_since: Mapped[datetime | None]


class Cursor(Base):
    """Where a monitor reads on: written in the transaction that stores what was read before it."""

    __tablename__ = "cursor"

    provider_id: Mapped[int] = mapped_column(ForeignKey("provider.id"), primary_key=True)
    monitor: Mapped[str] = mapped_column(Text, primary_key=True)
    value: Mapped[dict[str, Any]]
    moved_at: Mapped[datetime]


class Tally(Base):
    """Counts of one transaction, added up for the balance.

    Rows are only added, so that workers never wait for each other's counts; ``prune`` folds them.
    """

    __tablename__ = "tally"
    __table_args__ = (Index("ix_tally_provider", "provider_id"),)

    id: Mapped[int] = mapped_column(Id, Identity(), primary_key=True)
    provider_id: Mapped[int] = mapped_column(Id)
    received: Mapped[int] = mapped_column(Id, default=0, server_default="0")
    stored: Mapped[int] = mapped_column(Id, default=0, server_default="0")
    duplicate: Mapped[int] = mapped_column(Id, default=0, server_default="0")
    rejected: Mapped[int] = mapped_column(Id, default=0, server_default="0")
    finished: Mapped[int] = mapped_column(Id, default=0, server_default="0")
    dead: Mapped[int] = mapped_column(Id, default=0, server_default="0")


#: Marks whose names begin so are notes on one thing, whose name follows, and tell of nothing that recurs.
HEALTH_NOTE, ALERT_NOTE = "health ", "alert "


class Mark(Base):
    """When something that must happen again and again last happened: the tick, the sweep, a process."""

    __tablename__ = "mark"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    at: Mapped[datetime]
    note: Mapped[str | None]


def id_of(session: Session, name: str) -> int:
    """The row of a provider. Raises ``NoResultFound`` where no event or read has made it known yet."""
    return session.scalars(select(Provider.id).where(Provider.name == name)).one()
