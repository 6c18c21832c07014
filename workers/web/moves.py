"""What a caller may set in motion: retries of what is dead, and moves of incidents.

Each checks first that the caller may see the row at all: a row of another project answers 404, as one
that does not exist.
"""

from __future__ import annotations

from fastapi import HTTPException
from sqlalchemy import select

from tasks.conveyor.retry import retry_effect, retry_event
from tasks.ledger import incident_lists, incident_moves
from tasks.ledger.effects import Effect
from tasks.ledger.incident_lists import IncidentTale
from workers.web import scope
from workers.web.caller import Caller
from workers.web.web import Web

NO_EVENT = "there is no such event"
NO_EFFECT = "there is no such effect"
NO_INCIDENT = "there is no such incident"


def again_event(web: Web, caller: Caller, event_id: int) -> None:
    """Send a dead event on its way again. Raises 404 where the caller sees none, 409 where it is not dead."""
    with web.ledger.transaction() as session:
        scope.see_event(session, caller, event_id, NO_EVENT)
        moved = retry_event(session, event_id, web.now(), web.settings.conveyor.lanes)
    if not moved:
        raise HTTPException(409, "the event is not dead, so there is nothing to retry")


def again_effect(web: Web, caller: Caller, effect_id: int) -> int:
    """Try a dead effect again and return the id of its event.

    Raises 404 where the caller sees none, 409 where it is not dead.
    """
    with web.ledger.transaction() as session:
        event_id = session.scalar(select(Effect.event_id).where(Effect.id == effect_id))
        if event_id is None:
            raise HTTPException(404, NO_EFFECT)
        scope.see_event(session, caller, event_id, NO_EFFECT)
        moved = retry_effect(session, effect_id, web.now())
    if not moved:
        raise HTTPException(409, "the effect is not dead, so there is nothing to retry")
    return event_id


def acknowledge(web: Web, caller: Caller, incident_id: int) -> None:
    """Take care of an incident. Raises 404 where the caller sees none, 409 where it is not open, or another's."""
    with web.ledger.transaction() as session:
        scope.see_incident(session, caller, incident_id, NO_INCIDENT)
        moved = incident_moves.acknowledge(session, incident_id, caller.name, web.now())
    if not moved:
        raise HTTPException(409, "the incident is not open any more, or it is assigned to somebody else")


def close(web: Web, caller: Caller, incident_id: int) -> None:
    """End an incident. Raises 404 where the caller sees none, 409 where it is closed already."""
    with web.ledger.transaction() as session:
        scope.see_incident(session, caller, incident_id, NO_INCIDENT)
        moved = incident_moves.close(session, incident_id, caller.name, web.now())
    if not moved:
        raise HTTPException(409, "the incident is closed already")


def assign(web: Web, caller: Caller, incident_id: int, to: str) -> None:
    """Have somebody look after an incident. Raises 404 where the caller sees none, 409 where it is closed."""
    with web.ledger.transaction() as session:
        scope.see_incident(session, caller, incident_id, NO_INCIDENT)
        moved = incident_moves.assign(session, incident_id, to, caller.name, web.now())
    if not moved:
        raise HTTPException(409, "the incident is closed")


def comment(web: Web, caller: Caller, incident_id: int, text: str) -> None:
    """Say something of an incident. Raises 404 where the caller sees none."""
    with web.ledger.transaction() as session:
        scope.see_incident(session, caller, incident_id, NO_INCIDENT)
        incident_moves.comment(session, incident_id, text, caller.name, web.now())


def reopen(web: Web, caller: Caller, incident_id: int) -> None:
    """Open an incident again. Raises 404 where the caller sees none, 409 where that cannot be."""
    with web.ledger.transaction() as session:
        scope.see_incident(session, caller, incident_id, NO_INCIDENT)
        moved = incident_moves.reopen(session, incident_id, caller.name, web.now())
    if not moved:
        raise HTTPException(409, "the incident is not closed, or its alert has opened another one on the object")


def incident(web: Web, caller: Caller, incident_id: int) -> IncidentTale:
    """An incident with its history and what fired it. Raises 404 where the caller sees none."""
    with web.ledger.reading() as session:
        found = incident_lists.tale(session, incident_id, caller.project)
    if found is None:
        raise HTTPException(404, NO_INCIDENT)
    return found
