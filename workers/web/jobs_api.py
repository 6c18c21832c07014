"""Jobs over the API: what is deployed, what runs and ran, and what programs may set in motion."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, BackgroundTasks, Depends, HTTPException, Query, Request, Security
from fastapi.security import HTTPBearer
from pydantic import BaseModel, Field
from starlette.responses import Response

from tasks.ledger import job_lists
from workers.web import job_moves as moves
from workers.web.answers import Json, Rows, rows
from workers.web.caller import Operator, whole
from workers.web.faults import Fault
from workers.web.questions import MOST_ID, PathText, RowId, RunQuestion, Text
from workers.web.web import Here

#: The longest body of an external event (spec orchestrate 8).
EVENT_LIMIT = 16 * 1024

router = APIRouter(
    prefix="/api/v1/jobs",
    tags=["jobs"],
    dependencies=[Security(HTTPBearer(auto_error=False)), Depends(whole)],
    responses={status: {"model": Fault} for status in (401, 403, 404, 409, 422)},
)


class Wish(BaseModel, extra="forbid"):
    """How a job is to be run."""

    arguments: dict[str, Any] = Field(default_factory=dict, description="Its arguments, by name.")
    host: Text | None = Field(None, description="The host to run on; any where it is not given.")
    priority: Literal["highest", "high", "medium", "low", "lowest"] = "medium"


class Why(BaseModel, extra="forbid"):
    """Why a run is ended."""

    reason: Text | None = None


@router.get("", summary="The jobs that are deployed", response_model=Rows)
def jobs(web: Here) -> Response:
    """As the scheduler has taken them over from the site."""
    with web.ledger.reading() as session:
        return rows(job_lists.jobs(session))


@router.get("/schedules", summary="The schedules that are deployed, and when each fires next", response_model=Rows)
def schedules(web: Here) -> Response:
    """Those that events start have no next time."""
    with web.ledger.reading() as session:
        return rows(job_lists.schedules(session))


@router.get("/runs", summary="Runs of jobs, the newest first", response_model=Rows)
def runs(request: Request, web: Here, asked: Annotated[RunQuestion, Query()]) -> Response:
    """``next`` is the address of the following page."""
    with web.ledger.reading() as session:
        found = job_lists.runs(session, **asked.model_dump())
    following = None
    if len(found) == asked.limit:
        following = f"{request.url.path}?{urlencode({**request.query_params, 'before': found[-1].id})}"
    return rows(found, following)


@router.get("/runs/{number}", summary="One run, with its history and its handlers", response_model=dict[str, Any])
def one(web: Here, number: RowId) -> Response:
    """What it waits for and what it has called are told too."""
    with web.ledger.reading() as session:
        found = job_lists.tale(session, number)
    if found is None:
        raise HTTPException(404, moves.NO_RUN)
    return Json(found.as_dict())


@router.get("/runs/{number}/log", summary="What a run has logged", response_model=Rows)
def log(
    web: Here, number: RowId, after: int = Query(0, ge=0, le=MOST_ID, description="Go on after this line.")
) -> Json:
    """At most a thousand lines after the one that is named, the oldest first."""
    with web.ledger.reading() as session:
        if job_lists.run(session, number) is None:
            raise HTTPException(404, moves.NO_RUN)
        return rows(job_lists.log(session, number, after))


@router.post("/runs/{number}/cancel", summary="End a run (operate)")
def cancel(web: Here, caller: Operator, number: RowId, why: Why | None = None) -> Json:
    """With all that it has started. 409 where it is over."""
    return Json({"state": moves.cancel(web, caller, number, why.reason if why else None)})


@router.post("/runs/{number}/pause", summary="Call no handler of a run (operate)")
def pause(web: Here, caller: Operator, number: RowId) -> Json:
    """409 where it does not run."""
    return Json({"state": moves.pause(web, caller, number)})


@router.post("/runs/{number}/resume", summary="Let a run go on (operate)")
def resume(web: Here, caller: Operator, number: RowId) -> Json:
    """409 where it is not paused."""
    return Json({"state": moves.resume(web, caller, number)})


@router.post("/schedules/{name}/run", status_code=202, summary="Run a schedule's job at once (operate)")
def run_schedule(web: Here, caller: Operator, name: PathText) -> Json:
    """Whether the schedule is active or not."""
    return Json({"run": moves.run_schedule(web, caller, name)}, status_code=202)


@router.post("/schedules/{name}/{word}", summary="Have events and clocks start a schedule, or not (operate)")
def switch(web: Here, caller: Operator, name: PathText, word: Literal["enable", "disable"]) -> Json:
    """Over what its file says."""
    moves.switch(web, caller, name, word == "enable")
    return Json({"active": word == "enable"})


async def body(request: Request) -> bytes:
    """The whole request body; the gate has bounded it."""
    return await request.body()


@router.post("/events/{name}", status_code=202, summary="Fire an external event (operate)")
def fire(
    web: Here, caller: Operator, name: PathText, content: Annotated[bytes, Depends(body)], later: BackgroundTasks
) -> Json:
    """The body is ``{"context": {…}}`` with plain values and lists of them, at most 16 KiB.

    404 for a name that no trigger declares as external, 403 for one of Catchment or of a rule, 429 beyond the pace.
    """
    if len(content) > EVENT_LIMIT:
        raise HTTPException(413, f"an event has at most {EVENT_LIMIT} bytes")
    number = moves.fire(web, caller, name, _context(content))
    later.add_task(web.ring)
    return Json({"event": number}, status_code=202)


def _context(content: bytes) -> dict[str, Any]:
    try:
        given = json.loads(content) if content.strip() else {}
    except (ValueError, RecursionError) as mistake:
        raise HTTPException(422, "the body is no JSON") from mistake
    context = given.get("context", {}) if isinstance(given, dict) and given.keys() <= {"context"} else None
    if not isinstance(context, dict) or not all(_plain(value) for value in context.values()):
        raise HTTPException(422, 'the body is {"context": {…}} with plain values and lists of them')
    return context


def _plain(value: Any) -> bool:
    return isinstance(value, str | int | float | None) or (
        isinstance(value, list) and all(isinstance(item, str | int | float | None) for item in value)
    )


@router.post("/{name}/run", status_code=202, summary="Run a job at once (operate)")
def run(web: Here, caller: Operator, name: PathText, wish: Wish | None = None) -> Json:
    """422 for arguments that it does not have, or that are of another type."""
    wished = wish or Wish()
    number = moves.run(web, caller, name, wished.arguments, wished.host, wished.priority)
    return Json({"run": number}, status_code=202)
