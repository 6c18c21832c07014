"""The routes of the API that tell of incidents."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from workers.web import moves, scope
from workers.web.answers import Json, Rows, rows
from workers.web.caller import Viewer
from workers.web.questions import IncidentQuestion, RowId
from workers.web.web import Here

router = APIRouter(tags=["incidents"])


@router.get("/incidents", summary="Incidents, filtered, page by page, or one line a group", response_model=Rows)
def incidents(request: Request, web: Here, caller: Viewer, asked: Annotated[IncidentQuestion, Query()]) -> Response:
    """Firings of alerts, until somebody closes them; ``next`` is the address of the following page.

    With ``group`` there is one item for each alert, object, tenant or severity, and no further page.
    """
    with web.ledger.reading() as session:
        if asked.group:
            return rows(scope.incident_groups(session, caller, asked.group, asked))
        found = scope.incidents(session, caller, asked)
    following = None
    if len(found) == asked.limit:
        following = f"{request.url.path}?{urlencode({**request.query_params, 'after': found[-1].id})}"
    return rows(found, following)


@router.get(
    "/incidents/{incident_id}", summary="One incident, its history and what fired it", response_model=dict[str, Any]
)
def incident(web: Here, caller: Viewer, incident_id: RowId) -> Response:
    """What was done to it and said of it, the events that fired it, and how their notifications stand."""
    return Json(moves.incident(web, caller, incident_id).as_dict())
