"""Which events come too late: their object has gone past a later occurrence already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from tasks.catch.reading import Caught
from tasks.conveyor.claim import lock_lanes
from tasks.conveyor.order import ORDER
from tasks.ledger import bulk
from tasks.ledger.base import Moment
from tasks.ledger.events import Event, Place
from tasks.ledger.providers import Provider
from tasks.model.event import lane_of


def late_ones(
    session: Session,
    provider_id: int,
    fresh: Sequence[Caught],
    keys: Mapping[str, str],
    lanes: int,
    held: set[int],
) -> set[str]:
    """The message ids of those that are handled on arrival and marked late (DESIGN 3).

    ``keys`` has the object key of each message. The lanes that had to be locked to tell are added to ``held``.
    """
    suspects = _suspects(session, provider_id, fresh, keys)
    if not suspects:
        return set()
    # While we hold its lane nobody can carry a later event past; where somebody has the lane, he may be
    # doing just that at this moment.
    at = {c.identity.message_id: lane_of(keys[c.identity.message_id], lanes) for c in suspects}
    held.update(lock_lanes(session, sorted(set(at.values()))))
    return {
        c.identity.message_id
        for c in suspects
        if at[c.identity.message_id] not in held
        or _passed(session, keys[c.identity.message_id], c.identity.occurred_at)
    }


def _suspects(session: Session, provider_id: int, fresh: Sequence[Caught], keys: Mapping[str, str]) -> list[Caught]:
    """Those of which a later occurrence on their object is stored."""
    newest_of_all = session.scalar(select(Provider.event_at).where(Provider.id == provider_id))
    if newest_of_all is None:
        return []
    # Only what is older than the newest event of all can be older than the newest one of its object.
    older = [c for c in fresh if c.identity.resource_id and c.identity.occurred_at < newest_of_all]
    named = sorted({keys[c.identity.message_id] for c in older})
    if not named:
        return []
    wanted = (
        "SELECT value AS k FROM json_each(:ids)"
        if session.get_bind().dialect.name == "sqlite"
        else "SELECT unnest(CAST(:ids AS text[])) AS k"
    )
    newest = session.execute(
        text(
            f"SELECT w.k AS k, (SELECT max(e.occurred_at) FROM event e WHERE e.object_key = w.k) AS newest "
            f"FROM ({wanted}) w"
        ).columns(newest=Moment()),
        {"ids": bulk.listed(session, named)},
    )
    ahead = {row.k: row.newest for row in newest if row.newest is not None}
    return [
        c
        for c in older
        if (seen := ahead.get(keys[c.identity.message_id])) is not None and seen > c.identity.occurred_at
    ]


def _passed(session: Session, key: str, moment: datetime) -> bool:
    """Whether an event of the object that occurred later has left the first stage."""
    handled = select(Event.id).where(
        Event.object_key == key,
        Event.occurred_at > moment,
        ~select(Place.event_id).where(Place.event_id == Event.id, Place.stage == ORDER[0]).exists(),
    )
    return session.scalar(handled.limit(1)) is not None
