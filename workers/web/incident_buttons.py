"""What the buttons of the pages do with incidents and silences, and back to the page that they are on.

The gate has checked the form's token before any of these is reached; who did it is the session's token.
"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form
from starlette.responses import RedirectResponse

from workers.web import moves, silencing
from workers.web.caller import Operator, whole
from workers.web.questions import Name, Remark, RowId, SilenceForm
from workers.web.web import Here

router = APIRouter(include_in_schema=False)

#: The page that a button is on, which is where it leads back to.
Back = Annotated[Literal["status", "incident"], Form()]


def _back(back: str, incident_id: int) -> RedirectResponse:
    return RedirectResponse("/" if back == "status" else f"/incidents/{incident_id}", 303)


@router.post("/incidents/{incident_id}/acknowledge", response_model=None)
def acknowledge(web: Here, caller: Operator, incident_id: RowId, back: Back = "status") -> RedirectResponse:
    """Look after an incident."""
    moves.acknowledge(web, caller, incident_id)
    return _back(back, incident_id)


@router.post("/incidents/{incident_id}/close", response_model=None)
def close(web: Here, caller: Operator, incident_id: RowId, back: Back = "status") -> RedirectResponse:
    """End an incident."""
    moves.close(web, caller, incident_id)
    return _back(back, incident_id)


@router.post("/incidents/{incident_id}/reopen", response_model=None)
def reopen(web: Here, caller: Operator, incident_id: RowId) -> RedirectResponse:
    """Open a closed incident again."""
    moves.reopen(web, caller, incident_id)
    return _back("incident", incident_id)


@router.post("/incidents/{incident_id}/assign", response_model=None)
def assign(web: Here, caller: Operator, incident_id: RowId, to: Annotated[Name, Form()]) -> RedirectResponse:
    """Have somebody look after an incident."""
    moves.assign(web, caller, incident_id, to)
    return _back("incident", incident_id)


@router.post("/incidents/{incident_id}/comment", response_model=None)
def comment(web: Here, caller: Operator, incident_id: RowId, text: Annotated[Remark, Form()]) -> RedirectResponse:
    """Say something of an incident."""
    moves.comment(web, caller, incident_id, text)
    return _back("incident", incident_id)


@router.post("/silences", response_model=None, dependencies=[Depends(whole)])
def silence(web: Here, caller: Operator, wish: Annotated[SilenceForm, Form()]) -> RedirectResponse:
    """Make a silence."""
    silencing.make(web, caller, wish)
    return RedirectResponse("/silences", 303)


@router.post("/silences/{silence_id}/end", response_model=None, dependencies=[Depends(whole)])
def end(web: Here, _: Operator, silence_id: RowId) -> RedirectResponse:
    """End a silence now."""
    silencing.end(web, silence_id)
    return RedirectResponse("/silences", 303)
