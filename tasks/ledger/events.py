"""Tables of events: the event on its way, its notification, what was decided on it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ForeignKey,
    Identity,
    Index,
    SmallInteger,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from tasks.ledger.base import Base, Id

PENDING = "pending"
FINISHED = "finished"
DEAD = "dead"


class Event(Base):
    """One event and its canonical facts.

    Where a pending event stands is kept in :class:`Place`, why a dead one died in :class:`DeadLetter`:
    this row is written when the event is caught, filled in when it is converted and closed when it is
    through, and no index of it changes on the way.

    ``result`` is what the policies of a raised event concluded, ``success`` or ``failure``; None where none
    of them did, and for what was caught.
    """

    __tablename__ = "event"
    __table_args__ = (
        UniqueConstraint("provider_id", "message_id"),
        Index(
            "ix_event_twin",
            "twin",
            postgresql_where=text("twin IS NOT NULL"),
            sqlite_where=text("twin IS NOT NULL"),
        ),
        Index(
            "ix_event_parent",
            "parent_id",
            postgresql_where=text("parent_id IS NOT NULL"),
            sqlite_where=text("parent_id IS NOT NULL"),
        ),
        Index("ix_event_object", "object_key", "occurred_at"),
        Index("ix_event_time", "occurred_at"),
        {"postgresql_with": {"fillfactor": "60"}},
    )

    id: Mapped[int] = mapped_column(Id, Identity(), primary_key=True)
    provider_id: Mapped[int] = mapped_column(ForeignKey("provider.id"))
    message_id: Mapped[str]
    raised: Mapped[bool] = mapped_column(Boolean, server_default=false())
    parent_id: Mapped[int | None] = mapped_column(Id)
    depth: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    state: Mapped[str] = mapped_column(Text, server_default=PENDING)
    object_key: Mapped[str]
    occurred_at: Mapped[datetime]
    caught_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    late: Mapped[bool] = mapped_column(Boolean, server_default=false())
    twin: Mapped[str | None]
    variant: Mapped[str | None]
    event_type: Mapped[str]
    raw_event_type: Mapped[str]
    resource_kind: Mapped[str | None]
    resource_id: Mapped[str | None]
    parents: Mapped[dict[str, Any] | None]
    tenant_id: Mapped[str | None]
    actor: Mapped[str | None]
    host: Mapped[str | None]
    phase: Mapped[str | None]
    group: Mapped[str] = mapped_column("group", Text, server_default="other")
    level: Mapped[str] = mapped_column("level", Text, server_default="detail")
    request_id: Mapped[str | None]
    chain_id: Mapped[str | None]
    details: Mapped[dict[str, Any] | None]
    digest_id: Mapped[int | None] = mapped_column(Id)
    result: Mapped[str | None]


class Place(Base):
    """Where a pending event stands: its next stage and when that is due. Gone once the event is through.

    A table of its own, and a narrow one, so that the cost of a step does not grow with the events that
    are stored. It has no foreign key: it is written and removed with its event, in one transaction.
    """

    __tablename__ = "place"
    __table_args__ = (Index("ix_place_work", "stage", "lane", "occurred_at", "event_id"),)

    event_id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    stage: Mapped[str]
    lane: Mapped[int] = mapped_column(SmallInteger)
    occurred_at: Mapped[datetime]
    due_at: Mapped[datetime]
    object_key: Mapped[str]
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    plan: Mapped[dict[str, Any] | None]


class DeadLetter(Base):
    """An event that failed for good: where, why, and what is needed to send it on its way again."""

    __tablename__ = "dead_letter"

    event_id: Mapped[int] = mapped_column(
        ForeignKey("event.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    stage: Mapped[str]
    died_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(SmallInteger)
    plan: Mapped[dict[str, Any] | None]
    error: Mapped[str]


class Notification(Base):
    """The unwrapped notification of an event, free of secrets. Written once, never changed."""

    __tablename__ = "notification"

    event_id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    form: Mapped[str]
    road: Mapped[str]
    content: Mapped[str]


class Sighting(Base):
    """Another notification of a fact that is stored already: the other payload kind of one sender."""

    __tablename__ = "sighting"

    provider_id: Mapped[int] = mapped_column(ForeignKey("provider.id"), primary_key=True)
    message_id: Mapped[str] = mapped_column(Text, primary_key=True)
    event_id: Mapped[int] = mapped_column(ForeignKey("event.id", ondelete="CASCADE"), index=True)
    raw_event_type: Mapped[str]
    road: Mapped[str]
    seen_at: Mapped[datetime]


class RoadSighting(Base):
    """A message that is stored already, an event's own or a sighting's, come again by another road.

    One row for each further road, with the first time it came that way. The first road of a message stands
    in :class:`Notification` or in :class:`Sighting`.
    """

    __tablename__ = "road_sighting"

    provider_id: Mapped[int] = mapped_column(ForeignKey("provider.id"), primary_key=True)
    message_id: Mapped[str] = mapped_column(Text, primary_key=True)
    road: Mapped[str] = mapped_column(Text, primary_key=True)
    event_id: Mapped[int] = mapped_column(ForeignKey("event.id", ondelete="CASCADE"), index=True)
    raw_event_type: Mapped[str]
    seen_at: Mapped[datetime]


class Decision(Base):
    """What one stage concluded on one event, with everything it looked at, and the site it went by."""

    __tablename__ = "decision"
    __table_args__ = (Index("ix_decision_event", "event_id"),)

    id: Mapped[int] = mapped_column(Id, Identity(), primary_key=True)
    event_id: Mapped[int] = mapped_column(Id)
    stage: Mapped[str]
    decided_at: Mapped[datetime]
    site_version: Mapped[str]
    findings: Mapped[list[dict[str, Any]]]
    error: Mapped[str | None]


class Digest(Base):
    """What one turn concluded in just the same words on many events, from their first stage of it to their end.

    A turn that carries a backlog through several stages writes each distinct line of conclusions once and
    has the finished events point at it (``event.digest_id``), so that a storm costs a few rows and not
    one for each event, stage and rule. ``template`` is JSON text in which the character U+001A stands
    for the id of an event's own object: JSON has no such character, so nothing can be taken for it
    (see :mod:`tasks.ledger.digest`). ``fingerprint`` is equal for equal templates of one site version;
    ``latest`` is when the latest of the events occurred, for retention.
    """

    __tablename__ = "digest"
    __table_args__ = (Index("ix_digest_fingerprint", "fingerprint"), Index("ix_digest_latest", "latest"))

    id: Mapped[int] = mapped_column(Id, Identity(), primary_key=True)
    decided_at: Mapped[datetime]
    latest: Mapped[datetime]
    site_version: Mapped[str]
    fingerprint: Mapped[int] = mapped_column(BigInteger)
    events: Mapped[int]
    template: Mapped[str]


class Hold(Base):
    """An object whose oldest event waits for a retry: its later events wait behind it, others do not."""

    __tablename__ = "hold"

    object_key: Mapped[str] = mapped_column(Text, primary_key=True)
    event_id: Mapped[int] = mapped_column(ForeignKey("event.id", ondelete="CASCADE"), unique=True)
    since: Mapped[datetime]
