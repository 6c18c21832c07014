"""What a caller may see: a token of one project sees that project's rows and no trace of others.

A row of another project is answered as one that does not exist, with 404.
"""

from __future__ import annotations

from typing import Any

from fastapi import HTTPException
from sqlalchemy import select
from sqlalchemy.orm import Session

from tasks.ledger import incident_lists, listing
from tasks.ledger.events import Event
from tasks.ledger.incidents import Incident
from tasks.ledger.lines import EventLine, IncidentGroup, IncidentLine
from workers.web.caller import Caller
from workers.web.questions import EventQuestion, IncidentQuestion


def project_of(caller: Caller, asked: str | None) -> str | None:
    """The project that a list is narrowed to: the token's own, or the one asked for.

    Raises 403 for another one, whether it exists or not.
    """
    if caller.project is None:
        return asked
    if asked is not None and asked != caller.project:
        raise HTTPException(403, "your token is bound to another project than the one that you ask for")
    return caller.project


def see_event(session: Session, caller: Caller, event_id: int, message: str) -> None:
    """Raise 404 with the message where there is no such event, or none that the caller may see."""
    found = session.execute(select(Event.tenant_id).where(Event.id == event_id)).first()
    if found is None or (caller.project is not None and found.tenant_id != caller.project):
        raise HTTPException(404, message)


def see_incident(session: Session, caller: Caller, incident_id: int, message: str) -> None:
    """Raise 404 with the message where there is no such incident, or none that the caller may see.

    An incident belongs to the project of the event that opened it.
    """
    event_id = session.scalar(select(Incident.event_id).where(Incident.id == incident_id))
    if event_id is None:
        raise HTTPException(404, message)
    if caller.project is not None:
        see_event(session, caller, event_id, message)


def incidents(session: Session, caller: Caller, asked: IncidentQuestion) -> list[IncidentLine]:
    """The incidents that a question is about, as far as the caller may see them."""
    wanted = _wanted(caller, asked)
    if asked.after is not None:
        see_incident(session, caller, asked.after, "there is no incident to go on after")
    return incident_lists.incidents(session, wanted, after_id=asked.after, limit=asked.limit)


def incident_groups(session: Session, caller: Caller, by: str, asked: IncidentQuestion) -> list[IncidentGroup]:
    """The same incidents, one line a group."""
    return incident_lists.groups(session, by, _wanted(caller, asked), limit=asked.limit)


def _wanted(caller: Caller, asked: IncidentQuestion) -> incident_lists.Wanted:
    return incident_lists.Wanted(
        state=asked.state,
        alert=asked.alert,
        severity=asked.severity,
        resource=asked.resource,
        provider=asked.provider,
        project=project_of(caller, asked.project),
        cannot_notify=bool(asked.cannot_notify),
    )


def events(session: Session, caller: Caller, asked: EventQuestion) -> list[EventLine]:
    """The events that a question is about, as far as the caller may see them."""
    project = project_of(caller, asked.project)
    if asked.after is not None:
        # Where a list goes on tells when the event happened after which it does.
        see_event(session, caller, asked.after, "there is no event to go on after")
    return listing.events(
        session,
        provider=asked.provider,
        event_type=asked.event_type,
        resource=asked.resource,
        since=asked.since,
        until=asked.until,
        stage=asked.stage,
        state=asked.state,
        project=project,
        after_id=asked.after,
        limit=asked.limit,
        newest_first=asked.order == "newest",
    )


def inventory_object(session: Session, caller: Caller, provider: str, kind: str, ref: str) -> dict[str, Any] | None:
    """One object with its history, or None where the caller sees none.

    A read that found a change may go back to an event of another project: for a token of one project
    such an event is left out.
    """
    found = listing.inventory_object(session, provider, kind, ref)
    if found is None or (caller.project is not None and found.tenant_id != caller.project):
        return None
    shown = found.as_dict()
    if caller.project is not None:
        links = [*shown["changes"], *([shown["refresh"]] if shown["refresh"] else [])]
        ids = {link["event_id"] for link in links}
        mine = set(session.scalars(select(Event.id).where(Event.id.in_(ids), Event.tenant_id == caller.project)))
        for link in links:
            if link["event_id"] not in mine:
                link |= {key: None for key in ("event_id", "event_type") if key in link}
    return shown
