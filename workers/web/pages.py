"""The pages: the status of the installation, its events, and one event's why."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException, Query, Request
from starlette.responses import Response

from tasks.conveyor.order import ORDER
from tasks.ledger import health
from tasks.ledger import why as story
from workers.web import moves, scope
from workers.web.answers import Json
from workers.web.caller import Viewer
from workers.web.page import page
from workers.web.questions import EventQuestion, RowId
from workers.web.status import sections
from workers.web.tale import tale
from workers.web.views import moment
from workers.web.web import Here

router = APIRouter(include_in_schema=False)


@router.get("/", response_model=None)
def status(web: Here, caller: Viewer) -> Response:
    """How the installation is, at a glance."""
    return page(web, caller, "status.html", here="status", sections=sections(web, caller), at=moment(web.now()))


@router.get("/status.json", response_model=None)
def fresh(web: Here, caller: Viewer) -> Response:
    """The parts of the status page as they are now, for its script."""
    return Json({"at": moment(web.now()), "sections": sections(web, caller)})


@router.get("/events", response_model=None)
def events(request: Request, web: Here, caller: Viewer, asked: Annotated[EventQuestion, Query()]) -> Response:
    """Events with filters, page by page."""
    with web.ledger.reading() as session:
        rows = scope.events(session, caller, asked)
        names = [provider.name for provider in health.providers(session, web.now())]
    kept = {name: value for name, value in request.query_params.items() if value and name != "after"}
    following = f"/events?{urlencode({**kept, 'after': rows[-1].id})}" if len(rows) == asked.limit else None
    return page(
        web,
        caller,
        "events.html",
        here="events",
        rows=rows,
        kept=kept,
        names=names,
        stages=ORDER,
        now=web.now(),
        first=f"/events?{urlencode(kept)}" if asked.after else None,
        following=following,
    )


@router.get("/events/{event_id}", response_model=None)
def event(web: Here, caller: Viewer, event_id: RowId) -> Response:
    """One event, and why it led to what it led to."""
    with web.ledger.reading() as session:
        found = story.why(session, event_id, caller.project)
    if found is None:
        raise HTTPException(404, moves.NO_EVENT)
    return page(web, caller, "event.html", here="event", why=found, tale=tale(found), now=web.now())
