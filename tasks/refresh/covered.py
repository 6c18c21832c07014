"""Single objects and the list of their kind: what a list reads along need not be read by itself.

A list covers the wishes that were there when it began. Whatever is wanted after that is owed a read of its own,
as is what the list has not shown: that is not gone before the provider says so of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, case, func, or_, select, update
from sqlalchemy.orm import Session

from tasks.conveyor.wanted import EVERY, Wish, all_of, want
from tasks.ledger.inventory import GONE, InventoryObject, RefreshTarget
from tasks.model.event import ObjectRef
from tasks.site.settings import Refresh

#: Objects that one request for a list brings, roughly: a list costs as many reads as it has pages.
A_PAGE = 500


def _waiting(provider_id: int, kind: str) -> tuple[ColumnElement[bool], ...]:
    return (
        RefreshTarget.provider_id == provider_id,
        RefreshTarget.kind == kind,
        RefreshTarget.state == "wanted",
    )


def cover(session: Session, list_id: int, provider_id: int, kind: str, now: datetime, settings: Refresh) -> None:
    """Begin a list of a kind: what waits for a read of its own waits for the list, unless somebody reads it now."""
    session.execute(
        update(RefreshTarget)
        .where(
            *_waiting(provider_id, kind),
            or_(RefreshTarget.lease_until.is_(None), RefreshTarget.lease_until <= now),
        )
        .values(
            covered=RefreshTarget.wanted,
            covered_by=list_id,
            due_at=now + timedelta(seconds=settings.backoff_limit_seconds),
        )
    )


def met(session: Session, list_id: int, provider_id: int, refs: Sequence[ObjectRef], now: datetime) -> dict[str, int]:
    """Settle what a page of the list has shown; returns the events that wanted it read, by id of the object."""
    [kind] = {ref.kind for ref in refs}
    again = RefreshTarget.wanted > RefreshTarget.covered
    rows = session.execute(
        update(RefreshTarget)
        .where(
            *_waiting(provider_id, kind),
            RefreshTarget.ref.in_([ref.id for ref in refs]),
            RefreshTarget.covered_by == list_id,
        )
        .values(
            read=RefreshTarget.covered,
            read_at=now,
            attempts=0,
            error=None,
            state=case((again, "wanted"), else_="read"),
            due_at=now,
            covered_by=None,
        )
        .returning(RefreshTarget.ref, RefreshTarget.event_id)
    )
    return {row.ref: row.event_id for row in rows if row.event_id is not None}


def uncover(session: Session, list_id: int, now: datetime) -> None:
    """End a list, whether it came to its end or not: what it has not shown is read by itself."""
    session.execute(
        update(RefreshTarget).where(RefreshTarget.covered_by == list_id).values(covered_by=None, due_at=now)
    )


def want_absent(
    session: Session, provider_id: int, refs: Sequence[ObjectRef], event_id: int | None, now: datetime
) -> None:
    """Have objects read by themselves that a whole list has not shown; no other list can tell more of them.

    ``event_id`` wanted the list. It is the cause where the object was not wanted by an event of its own.
    """
    if not refs:
        return
    mine = (*_waiting(provider_id, refs[0].kind), RefreshTarget.ref.in_([ref.id for ref in refs]))
    own = set(session.scalars(select(RefreshTarget.ref).where(*mine)))
    want(session, [Wish(provider_id, ref, None if ref.id in own else event_id) for ref in refs], now, settle=0)
    session.execute(update(RefreshTarget).where(*mine).values(covered=RefreshTarget.wanted))


def escalate(session: Session, settings: Refresh, now: datetime) -> list[ObjectRef]:
    """Have the list of a kind read where many objects of it are due and the list costs less (spec capture 5.5).

    Only distinct objects count, and none that a list has not shown already. A list that fails leaves the objects
    to be read one by one.
    """
    due = (
        RefreshTarget.state == "wanted",
        RefreshTarget.due_at <= now,
        RefreshTarget.kind != EVERY,
        or_(RefreshTarget.lease_until.is_(None), RefreshTarget.lease_until <= now),
        or_(RefreshTarget.covered.is_(None), RefreshTarget.covered < RefreshTarget.wanted),
    )
    many = (
        select(
            RefreshTarget.provider_id,
            RefreshTarget.kind,
            func.count().label("targets"),
            func.max(RefreshTarget.event_id).label("event_id"),
        )
        .where(*due)
        .group_by(RefreshTarget.provider_id, RefreshTarget.kind)
        .having(func.count() >= settings.escalate)
    )
    failing = (RefreshTarget.kind == EVERY, or_(RefreshTarget.state == "dead", RefreshTarget.attempts > 0))
    without = {
        tuple(row) for row in session.execute(select(RefreshTarget.provider_id, RefreshTarget.ref).where(*failing))
    }
    wishes = []
    for row in session.execute(many).all():
        if (row.provider_id, row.kind) in without:
            continue
        known = (
            select(func.count())
            .select_from(InventoryObject)
            .where(
                InventoryObject.provider_id == row.provider_id,
                InventoryObject.kind == row.kind,
                InventoryObject.state != GONE,
            )
        )
        if (session.scalar(known) or 0) <= row.targets * A_PAGE:
            wishes.append(Wish(row.provider_id, all_of(row.kind), row.event_id))
    want(session, wishes, now, settle=0)
    return [wish.ref for wish in wishes]
