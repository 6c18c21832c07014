"""Moves of incidents: a person acknowledges one, or closes it. Each move happens once, whoever is first."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import update
from sqlalchemy.orm import Session

from tasks.ledger.incidents import ACKNOWLEDGED, CLOSED, OPEN, Incident


def acknowledge(session: Session, incident_id: int, who: str, now: datetime) -> bool:
    """Say that somebody looks after the incident. Returns False where it is not open (any more).

    The condition stands in the UPDATE itself: of two callers at once exactly one gets True.
    """
    moved = (
        update(Incident)
        .where(Incident.id == incident_id, Incident.state == OPEN)
        .values(state=ACKNOWLEDGED, acknowledged_at=now, acknowledged_by=who)
    )
    return session.execute(moved.returning(Incident.id)).first() is not None


def close(session: Session, incident_id: int, who: str, now: datetime) -> bool:
    """End the incident, acknowledged before or not. Returns False where it is closed or unknown.

    ``open_key`` becomes null with it, so that the next firing of the alert opens a new incident.
    """
    moved = (
        update(Incident)
        .where(Incident.id == incident_id, Incident.state != CLOSED)
        .values(state=CLOSED, open_key=None, closed_at=now, closed_by=who)
    )
    return session.execute(moved.returning(Incident.id)).first() is not None
