"""How far the clock has come with asking an alert about all objects of its kind: one mark for each alert."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from tasks.ledger import bulk
from tasks.ledger.events import Event, Place
from tasks.ledger.incidents import Incident
from tasks.ledger.providers import ALERT_NOTE, Mark


def begun(session: Session, alert: str, now: datetime, every: timedelta) -> tuple[datetime, int] | None:
    """When the alert's round began that is under way, and the row id that it has come to; None where all is asked.

    A round is over when all objects were asked about, and the next one begins in the next period. Until the
    transaction ends nobody else goes on with it.
    """
    name = f"{ALERT_NOTE}{alert}"
    bulk.insert(session, Mark, [{"name": name, "at": now, "note": "0"}], conflict="DO NOTHING")
    mark = session.execute(select(Mark.at, Mark.note).where(Mark.name == name).with_for_update()).one()
    if mark.note is not None:
        return mark.at, int(mark.note)
    return None if _period(mark.at, every) >= _period(now, every) else (now, 0)


def note(session: Session, alert: str, began: datetime, reached: int | None) -> None:
    """Keep how far a round has come; None: it is over."""
    kept = {"at": began, "note": None if reached is None else str(reached)}
    session.execute(update(Mark).where(Mark.name == f"{ALERT_NOTE}{alert}").values(**kept))


def still_open(session: Session, keys: Collection[str]) -> set[str]:
    """Those of the keys (:func:`tasks.ledger.incidents.firing_key`) under which an incident is not closed."""
    found = session.scalars(select(Incident.open_key).where(Incident.open_key.in_(keys)))
    return {key for key in found if key is not None}


def waiting(session: Session, event_type: str, alert: str, keys: Collection[str]) -> set[str]:
    """Those of the objects, by their keys, on which an event of the clock for the alert is on its way."""
    on_the_way = select(Place.object_key).join(Event, Event.id == Place.event_id)
    theirs = (Place.object_key.in_(keys), Event.event_type == event_type, Event.raw_event_type == alert)
    return set(session.scalars(on_the_way.where(*theirs)))


def _period(moment: datetime, every: timedelta) -> int:
    return int(moment.timestamp() // every.total_seconds())
