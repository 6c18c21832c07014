"""The HTTP API, version 1: the ledger as JSON."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Security
from fastapi.security import HTTPBearer
from starlette.responses import Response

from tasks.conveyor.order import ORDER
from tasks.ledger import balance, health, listing, progress
from tasks.ledger import why as story
from workers.web import (
    api_incidents,
    api_moves,
    api_push,
    api_silences,
    api_timeline,
    moves,
    probes,
    readings,
    scope,
)
from workers.web.answers import Json, Rows, rows
from workers.web.caller import Viewer, whole
from workers.web.faults import Fault
from workers.web.questions import (
    EffectQuestion,
    EventQuestion,
    InventoryQuestion,
    PathText,
    RowId,
)
from workers.web.web import Here

PREFIX = "/api/v1"

#: Describes the header in openapi.json. The check itself is the gate's, before any route.
_BEARER = HTTPBearer(auto_error=False, description="A token of `catchment token create`.")

router = APIRouter(
    prefix=PREFIX,
    dependencies=[Security(_BEARER)],
    responses={status: {"model": Fault} for status in (401, 403, 404, 422)},
)
router.include_router(probes.router)
router.include_router(api_moves.router)
router.include_router(api_incidents.router)
router.include_router(api_silences.router)
router.include_router(readings.router)
router.include_router(api_push.router)
router.include_router(api_timeline.router)


@router.get("/providers", tags=["status"], summary="The providers and their health", response_model=Rows)
def providers(web: Here, caller: Viewer) -> Response:
    """A token of one project sees their names and kinds, and not how they are."""
    with web.ledger.reading() as session:
        found = health.providers(session, web.now())
    if caller.project is not None:
        return Json({"items": [{"name": line.name, "kind": line.kind} for line in found], "next": None})
    return rows(found)


@router.get(
    "/balance",
    tags=["status"],
    summary="The balance of each provider",
    dependencies=[Depends(whole)],
    response_model=Rows,
)
def balances(web: Here) -> Response:
    """received = stored + duplicate + rejected, and stored = finished + pending + dead."""
    with web.ledger.reading() as session:
        return rows(balance.balance(session))


@router.get(
    "/stages",
    tags=["status"],
    summary="What waits before each stage",
    dependencies=[Depends(whole)],
    response_model=Rows,
)
def stages(web: Here) -> Response:
    """Pending events of each stage, and since when the oldest of them is due."""
    with web.ledger.reading() as session:
        return rows(health.stages(session, ORDER))


@router.get(
    "/progress",
    tags=["status"],
    summary="How fast events get through, and when the backlog will be",
    dependencies=[Depends(whole)],
    response_model=dict[str, Any],
)
def pace(web: Here) -> Response:
    """Events a second over the last minute, seconds until nothing waits, and the busiest objects."""
    with web.ledger.reading() as session:
        return Json(progress.progress(session, web.now()).as_dict())


@router.get("/events", tags=["events"], summary="Events, filtered, page by page", response_model=Rows)
def events(request: Request, web: Here, caller: Viewer, asked: Annotated[EventQuestion, Query()]) -> Response:
    """``next`` is the address of the following page."""
    with web.ledger.reading() as session:
        found = scope.events(session, caller, asked)
    following = None
    if len(found) == asked.limit:
        following = f"{request.url.path}?{urlencode({**request.query_params, 'after': found[-1].id})}"
    return rows(found, following)


@router.get("/events/{event_id}", tags=["events"], summary="One event", response_model=dict[str, Any])
def event(web: Here, caller: Viewer, event_id: RowId) -> Response:
    """Its canonical facts, and where it stands."""
    return Json(_why(web, caller, event_id).event.as_dict())


@router.get(
    "/events/{event_id}/why",
    tags=["events"],
    summary="Why one event led to what it led to",
    response_model=dict[str, Any],
)
def why(web: Here, caller: Viewer, event_id: RowId) -> Response:
    """Every decision with what it looked at, every effect with its tries, every object read again."""
    return Json(_why(web, caller, event_id).as_dict())


def _why(web: Here, caller: Viewer, event_id: int) -> story.Why:
    with web.ledger.reading() as session:
        found = story.why(session, event_id, caller.project)
    if found is None:
        raise HTTPException(404, moves.NO_EVENT)
    return found


@router.get("/inventory", tags=["inventory"], summary="Inventory objects, filtered", response_model=Rows)
def inventory(web: Here, caller: Viewer, asked: Annotated[InventoryQuestion, Query()]) -> Response:
    """A stub is an object that an event named and nobody has read yet; gone ones stay with their time."""
    project = scope.project_of(caller, asked.project)
    with web.ledger.reading() as session:
        return rows(listing.inventory(session, **asked.model_dump(exclude={"project"}), project=project))


@router.get(
    "/inventory/{provider}/{kind}/{ref:path}",
    tags=["inventory"],
    summary="One inventory object and its history",
    response_model=dict[str, Any],
)
def inventory_object(web: Here, caller: Viewer, provider: PathText, kind: PathText, ref: PathText) -> Response:
    """The facts as last read, and every change with the event that led to the read."""
    with web.ledger.reading() as session:
        found = scope.inventory_object(session, caller, provider, kind, ref)
    if found is None:
        raise HTTPException(404, "there is no such object")
    return Json(found)


@router.get("/effects", tags=["effects"], summary="Effects, filtered", response_model=Rows)
def effects(web: Here, caller: Viewer, asked: Annotated[EffectQuestion, Query()]) -> Response:
    """A token of one project names an event of it with ``event_id``."""
    with web.ledger.reading() as session:
        if caller.project is not None:
            if asked.event_id is None:
                raise HTTPException(403, "your token is bound to one project: name one of its events with event_id")
            scope.see_event(session, caller, asked.event_id, moves.NO_EVENT)
        return rows(listing.effects(session, state=asked.state, event_id=asked.event_id, limit=asked.limit))
