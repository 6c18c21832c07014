"""The family of an event: what caused it, up to the first cause, and what it raised, all the way down."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import literal, select
from sqlalchemy.orm import Session, aliased

from tasks.ledger.events import Event

#: How far up and down a family is followed; raised events lie at most this deep (``conveyor.depth``).
GENERATIONS = 50
#: Descendants that are found, at the most.
DESCENDANTS = 200


def causes(session: Session, event_id: int) -> list[int]:
    """The ids of the event that caused this one, of its cause, and so on: the first cause comes first."""
    start = select(Event.id, Event.parent_id, literal(0).label("up")).where(Event.id == event_id)
    line = start.cte("line", recursive=True)
    parent = aliased(Event)
    above = (
        select(parent.id, parent.parent_id, line.c.up + 1)
        .join(line, parent.id == line.c.parent_id)
        .where(line.c.up < GENERATIONS)
    )
    line = line.union_all(above)
    found = session.scalars(select(line.c.id).where(line.c.up > 0).order_by(line.c.up))
    return _once(event_id, found)[::-1]


def descendants(session: Session, event_id: int) -> tuple[list[int], bool]:
    """The ids of all events that go back to this one, nearest first, and whether there are more."""
    start = select(Event.id, literal(1).label("down")).where(Event.parent_id == event_id)
    line = start.cte("line", recursive=True)
    child = aliased(Event)
    below = select(child.id, line.c.down + 1).join(line, child.parent_id == line.c.id).where(line.c.down < GENERATIONS)
    line = line.union_all(below)
    # Without an order, so that the database stops at the limit; it works level by level all the same.
    found = session.execute(select(line.c.id, line.c.down).limit(DESCENDANTS + 1)).all()
    nearest = sorted((row.down, row.id) for row in found)
    return _once(event_id, (number for _, number in nearest[:DESCENDANTS])), len(found) > DESCENDANTS


def _once(event_id: int, numbers: Iterable[int]) -> list[int]:
    """The others, each once: rows that lead in a circle make no endless family."""
    return list(dict.fromkeys(number for number in numbers if number != event_id))
