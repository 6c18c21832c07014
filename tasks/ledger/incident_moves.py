"""Moves of incidents: acknowledged, assigned, commented, closed, opened again. Each happens once, whoever is first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from tasks.ledger.incidents import ACKNOWLEDGED, CLOSED, OPEN, Incident, IncidentNote, firing_key
from tasks.ledger.providers import Provider

#: A comment is kept to this many characters.
LONGEST = 4000


def acknowledge(session: Session, incident_id: int, who: str, now: datetime) -> bool:
    """Say that somebody looks after the incident. Returns False where it is not open, or is somebody else's.

    An assigned incident is acknowledged by its assignee alone (spec policy-alerts 5.8), one that nobody is
    assigned to by anybody. The condition stands in the UPDATE itself: of two callers at once exactly one
    gets True.
    """
    mine = or_(Incident.assigned_to.is_(None), Incident.assigned_to == who)
    moved = (
        update(Incident)
        .where(Incident.id == incident_id, Incident.state == OPEN, mine)
        .values(state=ACKNOWLEDGED, acknowledged_at=now, acknowledged_by=who)
    )
    return _noted(session, moved.returning(Incident.id), incident_id, now, who, "acknowledged")


def assign(session: Session, incident_id: int, to: str, who: str, now: datetime) -> bool:
    """Have somebody look after the incident. Returns False where it is closed or unknown.

    An acknowledgement ends with it: whoever it is assigned to has not said a word yet (spec policy-alerts 5.8).
    """
    moved = (
        update(Incident)
        .where(Incident.id == incident_id, Incident.state != CLOSED)
        .values(assigned_to=to, state=OPEN, acknowledged_at=None, acknowledged_by=None)
    )
    return _noted(session, moved.returning(Incident.id), incident_id, now, who, "assigned", to)


def comment(session: Session, incident_id: int, text: str, who: str, now: datetime) -> bool:
    """Say something of the incident, closed or not. Returns False where it is unknown."""
    there = select(Incident.id).where(Incident.id == incident_id)
    return _noted(session, there, incident_id, now, who, "comment", text[:LONGEST])


def close(session: Session, incident_id: int, who: str, now: datetime) -> bool:
    """End the incident, acknowledged before or not. Returns False where it is closed or unknown.

    ``open_key`` becomes null with it, so that the next firing of the alert opens a new incident.
    """
    moved = (
        update(Incident)
        .where(Incident.id == incident_id, Incident.state != CLOSED)
        .values(state=CLOSED, open_key=None, closed_at=now, closed_by=who)
    )
    return _noted(session, moved.returning(Incident.id), incident_id, now, who, "closed")


def reopen(session: Session, incident_id: int, who: str, now: datetime) -> bool:
    """Open a closed incident again. Returns False where it is not closed, or the alert has opened another one."""
    row = session.execute(
        select(Incident.alert, Incident.kind, Incident.ref, Provider.name)
        .join(Provider, Provider.id == Incident.provider_id)
        .where(Incident.id == incident_id)
    ).one_or_none()
    if row is None:
        return False
    key = firing_key(row.alert, row.name, row.kind, row.ref)
    cleared = {"closed_at": None, "closed_by": None, "acknowledged_at": None, "acknowledged_by": None}
    moved = (
        update(Incident)
        .where(Incident.id == incident_id, Incident.state == CLOSED)
        .values(state=OPEN, open_key=key, **cleared)
    )
    try:
        with session.begin_nested():
            return _noted(session, moved.returning(Incident.id), incident_id, now, who, "reopened")
    except IntegrityError:
        return False


def resolve(session: Session, keys: Sequence[str], event_id: int, now: datetime) -> None:
    """Close the open incidents with these keys, since an event says that all is well again."""
    who = f"event {event_id}"
    moved = (
        update(Incident)
        .where(Incident.open_key.in_(keys))
        .values(state=CLOSED, open_key=None, closed_at=now, closed_by=who)
    )
    for incident_id in session.scalars(moved.returning(Incident.id)).all():
        session.add(IncidentNote(incident_id=incident_id, at=now, who=who, word="resolved"))
    session.flush()


def history(session: Session, incident_id: int) -> Sequence[IncidentNote]:
    """What was done to an incident and said of it, in order."""
    mine = select(IncidentNote).where(IncidentNote.incident_id == incident_id)
    return session.scalars(mine.order_by(IncidentNote.id)).all()


def _noted(
    session: Session, move: object, incident_id: int, now: datetime, who: str, word: str, text: str | None = None
) -> bool:
    """Make a move and write it into the history; False where there was nothing to move."""
    if session.execute(move).first() is None:  # type: ignore[call-overload]  # an update or a select that returns ids
        return False
    session.add(IncidentNote(incident_id=incident_id, at=now, who=who, word=word, text=text))
    session.flush()
    return True
