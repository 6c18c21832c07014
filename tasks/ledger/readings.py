"""Readings: what was measured on objects and told to Catchment, kept for a week (spec policy-alerts 5.2)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Boolean, Double, ForeignKey, Identity, Index, delete, select, text, true, tuple_, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from tasks.ledger import bulk
from tasks.ledger.base import Base, Id
from tasks.ledger.inventory import InventoryObject
from tasks.ledger.providers import Provider
from tasks.model.event import INTERNAL, ObjectRef

#: How long a reading is kept.
KEPT = timedelta(days=7)


class Reading(Base):
    """One value of one object. ``fresh``: no alert was asked about it yet."""

    __tablename__ = "reading"
    __table_args__ = (
        Index("ix_reading_object", "provider_id", "kind", "ref", "name", "at"),
        Index(
            "ix_reading_fresh",
            "id",
            postgresql_where=text("fresh"),
            sqlite_where=text("fresh"),
        ),
    )

    id: Mapped[int] = mapped_column(Id, Identity(), primary_key=True)
    provider_id: Mapped[int] = mapped_column(ForeignKey("provider.id"))
    kind: Mapped[str]
    ref: Mapped[str]
    name: Mapped[str]
    value: Mapped[float] = mapped_column(Double)
    at: Mapped[datetime] = mapped_column(index=True)
    fresh: Mapped[bool] = mapped_column(Boolean, server_default=true())


class Thing(NamedTuple):
    """An object of a provider, by the provider's row."""

    provider_id: int
    ref: ObjectRef


class Fresh(NamedTuple):
    """A reading that no alert was asked about yet: its row, its object, and its name."""

    id: int
    thing: Thing
    name: str


def store(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Keep readings; they are fresh."""
    bulk.insert(session, Reading, rows)


def between(
    session: Session, thing: Thing, name: str, after: datetime, until: datetime, limit: int
) -> list[tuple[datetime, float]]:
    """The readings of one name on an object after one moment up to another, oldest first; of many the newest."""
    theirs = (
        Reading.provider_id == thing.provider_id,
        Reading.kind == thing.ref.kind,
        Reading.ref == thing.ref.id,
        Reading.name == name,
        Reading.at > after,
        Reading.at <= until,
    )
    newest = select(Reading.at, Reading.value).where(*theirs).order_by(Reading.at.desc(), Reading.id.desc())
    return [(row.at, row.value) for row in session.execute(newest.limit(limit))][::-1]


def take_fresh(session: Session, limit: int) -> list[Fresh]:
    """Fresh readings, the oldest rows first; until the transaction ends nobody else takes them."""
    columns = (Reading.id, Reading.provider_id, Reading.kind, Reading.ref, Reading.name)
    query = select(*columns).where(Reading.fresh).order_by(Reading.id).limit(limit)
    rows = session.execute(query.with_for_update(skip_locked=True))
    return [Fresh(r.id, Thing(r.provider_id, ObjectRef(r.kind, r.ref)), r.name) for r in rows]


def looked_at(session: Session, ids: Collection[int]) -> None:
    """Note that alerts were asked about these readings, or that none looks at them."""
    session.execute(update(Reading).where(Reading.id.in_(ids)).values(fresh=False))


def tenants(session: Session, things: Collection[Thing]) -> dict[Thing, str | None]:
    """The projects of those of the objects that inventory has."""
    columns = (InventoryObject.provider_id, InventoryObject.kind, InventoryObject.ref)
    wanted = [(thing.provider_id, *thing.ref) for thing in things]
    rows = session.execute(select(*columns, InventoryObject.tenant_id).where(tuple_(*columns).in_(wanted)))
    return {Thing(r.provider_id, ObjectRef(r.kind, r.ref)): r.tenant_id for r in rows}


def providers_named(session: Session, names: Collection[str]) -> dict[str, int]:
    """The rows of those of the providers that there are."""
    clouds = (Provider.name.in_(names), Provider.kind != INTERNAL)
    rows = session.execute(select(Provider.name, Provider.id).where(*clouds))
    return {row.name: row.id for row in rows}


def names_of(session: Session, ids: Collection[int]) -> dict[int, str]:
    """The names of providers by their rows."""
    return {row.id: row.name for row in session.execute(select(Provider.id, Provider.name).where(Provider.id.in_(ids)))}


def forget(session: Session, now: datetime) -> None:
    """Delete readings that are older than a week."""
    session.execute(delete(Reading).where(Reading.at < now - KEPT))
