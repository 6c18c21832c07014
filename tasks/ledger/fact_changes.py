"""What has changed of facts since rules were asked, and who is reached from where (spec orchestrate 4.4, 6.4)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from tasks.ledger import bulk
from tasks.ledger.facts import Fact, FactChange, FactObject, FactRef


class Changed(NamedTuple):
    """A noted change: its row, the object, and the name of the fact (:data:`WHOLE`: the object itself)."""

    id: int
    object: FactRef | None
    name: str


def changed(session: Session, before: datetime, limit: int) -> list[Changed]:
    """Noted changes up to a moment, the oldest first; one of an object that is gone has no object."""
    query = (
        select(FactChange.id, FactChange.name, FactObject.kind, FactObject.ref)
        .outerjoin(FactObject, FactObject.id == FactChange.object_id)
        .where(FactChange.at <= before)
        .order_by(FactChange.id)
        .limit(limit)
    )
    return [
        Changed(row.id, FactRef(row.kind, row.ref) if row.kind is not None else None, row.name)
        for row in session.execute(query)
    ]


def any_changed(session: Session, before: datetime) -> bool:
    """Whether a change is noted that rules were not asked about."""
    return session.scalar(select(FactChange.id).where(FactChange.at <= before).limit(1)) is not None


def looked_at(session: Session, ids: Collection[int]) -> None:
    """Take noted changes away: rules were asked about them."""
    session.execute(
        text(f"DELETE FROM fact_change WHERE {bulk.among(session, 'id')}"),  # noqa: S608 - the text is our own
        {"ids": bulk.listed(session, ids)},
    )


def refs_of(session: Session, rows: Collection[int]) -> dict[int, FactRef]:
    """The objects of these rows."""
    query = select(FactObject.id, FactObject.kind, FactObject.ref).where(FactObject.id.in_(rows))
    return {row.id: FactRef(row.kind, row.ref) for row in session.execute(query)}


def rows_of(session: Session, objects: Collection[FactRef]) -> dict[FactRef, int]:
    """The rows of those of the objects that there are."""
    found = session.execute(
        select(FactObject.id, FactObject.kind, FactObject.ref).where(
            FactObject.kind.in_({o.kind for o in objects}), FactObject.ref.in_({o.id for o in objects})
        )
    )
    return {ref: row.id for row in found if (ref := FactRef(row.kind, row.ref)) in objects}


def links_to(session: Session, junction: str, ids: Collection[str]) -> list[int]:
    """The rows of the objects whose junction leads to one of these ids."""
    return list(session.scalars(select(Fact.object_id).where(Fact.name == junction, Fact.link.in_(ids))))


def noted(session: Session, limit: int) -> list[int]:
    """The rows of all noted changes, so many at the most; one that is being written does not count."""
    return list(session.scalars(select(FactChange.id).order_by(FactChange.id).limit(limit)))
