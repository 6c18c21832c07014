"""The routes of the API that set something in motion: they take the role operate."""

from __future__ import annotations

from fastapi import APIRouter, BackgroundTasks
from pydantic import BaseModel

from workers.web import moves
from workers.web.caller import Operator
from workers.web.faults import Fault
from workers.web.questions import Name, Remark, RowId
from workers.web.web import Here

router = APIRouter(responses={409: {"model": Fault}})


class Moved(BaseModel):
    """That something was set in motion."""

    ok: bool = True


@router.post("/events/{event_id}/retry", tags=["events"], summary="Send a dead event on its way again (operate)")
def retry_event(web: Here, caller: Operator, event_id: RowId, later: BackgroundTasks) -> Moved:
    """It goes on at the stage where it died. 409 where it is not dead."""
    moves.again_event(web, caller, event_id)
    later.add_task(web.ring)
    return Moved()


@router.post("/effects/{effect_id}/retry", tags=["effects"], summary="Try a dead effect again (operate)")
def retry_effect(web: Here, caller: Operator, effect_id: RowId, later: BackgroundTasks) -> Moved:
    """The row is opened again; there is never a second one. 409 where it is not dead."""
    moves.again_effect(web, caller, effect_id)
    later.add_task(web.ring)
    return Moved()


@router.post("/incidents/{incident_id}/ack", include_in_schema=False)
@router.post("/incidents/{incident_id}/acknowledge", tags=["incidents"], summary="Look after an incident (operate)")
def acknowledge(web: Here, caller: Operator, incident_id: RowId) -> Moved:
    """409 where it is not open any more, or is assigned to another. The token's name is kept with it."""
    moves.acknowledge(web, caller, incident_id)
    return Moved()


@router.post("/incidents/{incident_id}/close", tags=["incidents"], summary="End an incident (operate)")
def close(web: Here, caller: Operator, incident_id: RowId) -> Moved:
    """409 where it is closed already."""
    moves.close(web, caller, incident_id)
    return Moved()


class To(BaseModel, extra="forbid"):
    """Who is to look after it."""

    to: Name


class Said(BaseModel, extra="forbid"):
    """What is to be said of it."""

    text: Remark


@router.post("/incidents/{incident_id}/assign", tags=["incidents"], summary="Have somebody look after one (operate)")
def assign(web: Here, caller: Operator, incident_id: RowId, given: To) -> Moved:
    """409 where it is closed. An acknowledgement ends with it: the assignee gives the next one."""
    moves.assign(web, caller, incident_id, given.to)
    return Moved()


@router.post("/incidents/{incident_id}/comment", tags=["incidents"], summary="Say something of an incident (operate)")
def comment(web: Here, caller: Operator, incident_id: RowId, given: Said) -> Moved:
    """It is kept in the incident's history, with the token's name."""
    moves.comment(web, caller, incident_id, given.text)
    return Moved()


@router.post("/incidents/{incident_id}/reopen", tags=["incidents"], summary="Open a closed incident again (operate)")
def reopen(web: Here, caller: Operator, incident_id: RowId) -> Moved:
    """409 where it is not closed, or its alert has opened another one on the object."""
    moves.reopen(web, caller, incident_id)
    return Moved()
