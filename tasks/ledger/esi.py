"""ESI Leap's events as its own history keeps them: truncated records, numbered as they become visible.

A record is written with the facts of its event and has no number then. Whoever reads the history first gives
all that are there their numbers, one reader at a time, so that a number is never seen before a smaller one: a
client that asks for everything behind the last id that it saw misses nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, SmallInteger, or_, select, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from tasks.ledger import bulk
from tasks.ledger.base import Base, Id
from tasks.ledger.session import Ledger

#: Records that are numbered in one transaction.
PAGE = 1000
_COUNT = 1


class EsiEvent(Base):
    """The truncated record of one event, and its number once somebody may have seen it."""

    __tablename__ = "esi_event"
    __table_args__ = (
        Index("ix_esi_event_lessee", "lessee_id", "number"),
        Index("ix_esi_event_owner", "owner_id", "number"),
        Index("ix_esi_event_object", "object_uuid", "event_id"),
        Index(
            "ix_esi_event_new",
            "event_id",
            postgresql_where=text("number IS NULL"),
            sqlite_where=text("number IS NULL"),
        ),
    )

    event_id: Mapped[int] = mapped_column(
        ForeignKey("event.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    number: Mapped[int | None] = mapped_column(Id, unique=True)
    event_type: Mapped[str]
    event_time: Mapped[datetime]
    object_type: Mapped[str | None]
    object_uuid: Mapped[str | None]
    resource_type: Mapped[str | None]
    resource_uuid: Mapped[str | None]
    lessee_id: Mapped[str | None]
    owner_id: Mapped[str | None]


class EsiCount(Base):
    """The last number that was given: one row, which outlives the records and is the lock of their numbering."""

    __tablename__ = "esi_count"

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    last: Mapped[int] = mapped_column(Id)


@dataclass(frozen=True, slots=True)
class Asked:
    """Which records are wanted; all that is given must hold. ``project`` is the lessee or the owner."""

    last_id: int | None = None
    after: datetime | None = None
    project: str | None = None
    event_type: str | None = None
    resource_type: str | None = None
    resource_uuid: str | None = None


def number(ledger: Ledger) -> int:
    """Give numbers to the records that have none yet, in the order in which they happened; returns how many."""
    given = 0
    while True:
        with ledger.reading() as session:
            waiting = session.scalars(select(EsiEvent.event_id).where(EsiEvent.number.is_(None)).limit(1)).first()
        if waiting is None:
            return given
        with ledger.transaction() as session:
            given += _number_page(session)


def _number_page(session: Session) -> int:
    bulk.insert(session, EsiCount, [{"id": _COUNT, "last": 0}], conflict="DO NOTHING")
    last = session.scalars(select(EsiCount.last).where(EsiCount.id == _COUNT).with_for_update()).one()
    new = session.scalars(
        select(EsiEvent.event_id)
        .where(EsiEvent.number.is_(None))
        .order_by(EsiEvent.event_time, EsiEvent.event_id)
        .limit(PAGE)
    ).all()
    rows = [{"event_id": event_id, "number": last + place} for place, event_id in enumerate(new, 1)]
    bulk.update(session, EsiEvent, "event_id", rows)
    session.execute(update(EsiCount).where(EsiCount.id == _COUNT).values(last=last + len(rows)))
    return len(rows)


def records(session: Session, asked: Asked, limit: int = PAGE) -> list[EsiEvent]:
    """The first of the numbered records for which all that is asked holds, in the order of their numbers."""
    query = select(EsiEvent).where(EsiEvent.number.is_not(None))
    if asked.last_id is not None:
        query = query.where(EsiEvent.number > asked.last_id)
    if asked.after is not None:
        query = query.where(EsiEvent.event_time > asked.after)
    if asked.project is not None:
        query = query.where(or_(EsiEvent.lessee_id == asked.project, EsiEvent.owner_id == asked.project))
    for column in ("event_type", "resource_type", "resource_uuid"):
        value = getattr(asked, column)
        if value is not None:
            query = query.where(getattr(EsiEvent, column) == value)
    return list(session.scalars(query.order_by(EsiEvent.number).limit(limit)))


def as_api(record: EsiEvent) -> dict[str, Any]:
    """A record with the keys of ESI Leap's API, in its order; the time is UTC without a zone (spec esi 3)."""
    moment = record.event_time.astimezone(UTC).replace(tzinfo=None)
    return {
        "id": record.number,
        "event_type": record.event_type,
        "event_time": moment.isoformat(timespec="microseconds"),
        "object_type": record.object_type,
        "object_uuid": record.object_uuid,
        "resource_type": record.resource_type,
        "resource_uuid": record.resource_uuid,
        "lessee_id": record.lessee_id,
        "owner_id": record.owner_id,
    }


def write(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Keep the records of events; one that is there already stays as it is, with its number."""
    bulk.insert(session, EsiEvent, rows, conflict="DO NOTHING")
