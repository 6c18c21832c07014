"""What the buttons of the pages do: the moves of :mod:`workers.web.moves`, and back to a page.

The gate has checked the form's token before any of these is reached.
"""

from __future__ import annotations

from fastapi import APIRouter, BackgroundTasks
from starlette.responses import RedirectResponse

from workers.web import moves
from workers.web.caller import Operator
from workers.web.questions import RowId
from workers.web.web import Here

router = APIRouter(include_in_schema=False)


@router.post("/events/{event_id}/retry", response_model=None)
def retry_event(web: Here, caller: Operator, event_id: RowId, later: BackgroundTasks) -> RedirectResponse:
    """Send a dead event on its way again."""
    moves.again_event(web, caller, event_id)
    later.add_task(web.ring)
    return RedirectResponse(f"/events/{event_id}", 303)


@router.post("/effects/{effect_id}/retry", response_model=None)
def retry_effect(web: Here, caller: Operator, effect_id: RowId, later: BackgroundTasks) -> RedirectResponse:
    """Try a dead effect again."""
    event_id = moves.again_effect(web, caller, effect_id)
    later.add_task(web.ring)
    return RedirectResponse(f"/events/{event_id}", 303)
